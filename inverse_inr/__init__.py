"""Imaging inverse problems with implicit neural representations.

    minimise over θ:   D( A(f_θ), y )  +  Σ_k λ_k R_k(f_θ)

Fields, operators, noise models, regularizers and priors are values; `solve` is the verb. Operators
live in `inverse_inr.operators`, ready-made problems in `inverse_inr.problems`; neither is imported
here.
"""

from inverse_inr import baselines as baselines
from inverse_inr import codec as codec
from inverse_inr import constants as constants
from inverse_inr import denoisers as denoisers
from inverse_inr import devices as devices
from inverse_inr import families as families
from inverse_inr import fidelity as fidelity
from inverse_inr import hooks as hooks
from inverse_inr import memory as memory
from inverse_inr import metrics as metrics
from inverse_inr import noise as noise
from inverse_inr import optimizers as optimizers
from inverse_inr import phantoms as phantoms
from inverse_inr import priors as priors
from inverse_inr import ranges as ranges
from inverse_inr import regularizers as regularizers
from inverse_inr import stopping as stopping
from inverse_inr import uncertainty as uncertainty
from inverse_inr.bands import BandGrid as BandGrid
from inverse_inr.compose import Detector as Detector
from inverse_inr.compose import OnGrid as OnGrid
from inverse_inr.compose import RowOperator as RowOperator
from inverse_inr.compose import Warp as Warp
from inverse_inr.compose import as_linear_map as as_linear_map
from inverse_inr.compose import flatten as flatten
from inverse_inr.compose import unflatten as unflatten
from inverse_inr.compose import with_adjoint as with_adjoint
from inverse_inr.derivatives import lengths as lengths
from inverse_inr.derivatives import require_smooth as require_smooth
from inverse_inr.domain import Box as Box
from inverse_inr.domain import Grid as Grid
from inverse_inr.evaluation import Field as Field
from inverse_inr.evaluation import evaluate as evaluate
from inverse_inr.evaluation import sample as sample
from inverse_inr.kernels.gridding import Gridding as Gridding
from inverse_inr.kernels.sparse import SparseMatrix as SparseMatrix
from inverse_inr.kernels.triton import phases as phases
from inverse_inr.kernels.triton import projector as projector
from inverse_inr.precision import placement as placement
from inverse_inr.problem import Problem as Problem
from inverse_inr.problem import Suggestion as Suggestion
from inverse_inr.protocol import Operator as Operator
from inverse_inr.protocol import Query as Query
from inverse_inr.protocol import adjoint as adjoint
from inverse_inr.protocol import evaluating as evaluating
from inverse_inr.protocol import placed as placed
from inverse_inr.protocol import predict as predict
from inverse_inr.sampled import SampledField as SampledField
from inverse_inr.sampled import interpolation_matrix as interpolation_matrix
from inverse_inr.sampled import interpolation_weights as interpolation_weights
from inverse_inr.solver import Solution as Solution
from inverse_inr.solver import Solver as Solver
from inverse_inr.solver import load_field as load_field
from inverse_inr.solver import solve as solve
from inverse_inr.solver import solve_many as solve_many
from inverse_inr.term import Term as Term

__version__ = "0.1.0"
