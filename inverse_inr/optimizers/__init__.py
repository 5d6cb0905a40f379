"""Optimisers as values: `Adam(lr=1e-2)`, `Muon()`, `LBFGS()`, `GaussNewton()`.

`build` makes the object that takes the steps, from parameter groups. The first three see gradients;
`GaussNewton` and `VariableProjection` also see the predictions that the objective linearises.
"""

from inverse_inr.optimizers.catalogue import NAMES as NAMES
from inverse_inr.optimizers.catalogue import Optimizer as Optimizer
from inverse_inr.optimizers.catalogue import Stepper as Stepper
from inverse_inr.optimizers.first_order import LBFGS as LBFGS
from inverse_inr.optimizers.first_order import Adam as Adam
from inverse_inr.optimizers.first_order import Muon as Muon
from inverse_inr.optimizers.gauss_newton import GaussNewton as GaussNewton
from inverse_inr.optimizers.groups import Group as Group
from inverse_inr.optimizers.groups import parameter_groups as parameter_groups
from inverse_inr.optimizers.linearized import Curvature as Curvature
from inverse_inr.optimizers.linearized import Evaluation as Evaluation
from inverse_inr.optimizers.linearized import Linearized as Linearized
from inverse_inr.optimizers.projection import VariableProjection as VariableProjection
from inverse_inr.optimizers.several import SCHEDULES as SCHEDULES
from inverse_inr.optimizers.several import ScheduleName as ScheduleName
from inverse_inr.optimizers.several import Several as Several
from inverse_inr.optimizers.several import descend as descend
