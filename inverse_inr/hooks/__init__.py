"""Optional methods of operators, priors, fidelities and their parts: one protocol for each.

An operator must define the two methods of `Operator` (`protocol.py`), a field a call on points,
and a fidelity a call on prediction and measurements. Everything here is optional; the library
looks for it and does without it where it is missing. Nothing needs to be inherited: a method of
that name and form is enough. docs/hooks.md has the table. A hook of one modality stands
there, e.g. `HasKernel` in `problems/radar/variance_field.py`.
"""

from inverse_inr.evaluation import Lattice as Lattice
from inverse_inr.hooks.acquisition import AsksLines as AsksLines
from inverse_inr.hooks.acquisition import BeforeStep as BeforeStep
from inverse_inr.hooks.acquisition import Begins as Begins
from inverse_inr.hooks.acquisition import ChecksMeasurements as ChecksMeasurements
from inverse_inr.hooks.acquisition import Decorrelates as Decorrelates
from inverse_inr.hooks.acquisition import Grouped as Grouped
from inverse_inr.hooks.acquisition import HasBatch as HasBatch
from inverse_inr.hooks.acquisition import HasGridMap as HasGridMap
from inverse_inr.hooks.acquisition import HasLeastSquares as HasLeastSquares
from inverse_inr.hooks.acquisition import HasPrior as HasPrior
from inverse_inr.hooks.acquisition import Lines as Lines
from inverse_inr.hooks.acquisition import PicksRows as PicksRows
from inverse_inr.hooks.acquisition import Shaped as Shaped
from inverse_inr.hooks.acquisition import Stored as Stored
from inverse_inr.hooks.fitting import Anneals as Anneals
from inverse_inr.hooks.fitting import BetweenSteps as BetweenSteps
from inverse_inr.hooks.fitting import Conditions as Conditions
from inverse_inr.hooks.fitting import HasParameterGroups as HasParameterGroups
from inverse_inr.hooks.fitting import HasPenalty as HasPenalty
from inverse_inr.hooks.fitting import HasResiduals as HasResiduals
from inverse_inr.hooks.fitting import HasRoles as HasRoles
from inverse_inr.hooks.fitting import MadeLater as MadeLater
from inverse_inr.hooks.fitting import Running as Running
from inverse_inr.hooks.fitting import Smooth as Smooth
from inverse_inr.hooks.fitting import SumsLines as SumsLines
from inverse_inr.protocol import Operator as Operator
from inverse_inr.protocol import Predicts as Predicts
