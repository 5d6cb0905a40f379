"""Building operators from parts: maps on arrays, fast adjoints, and `Detector @ A @ Warp`."""

from inverse_inr.compose.arrays import OnGrid as OnGrid
from inverse_inr.compose.arrays import RowOperator as RowOperator
from inverse_inr.compose.arrays import flatten as flatten
from inverse_inr.compose.arrays import unflatten as unflatten
from inverse_inr.compose.linear_map import LinearMap as LinearMap
from inverse_inr.compose.linear_map import as_linear_map as as_linear_map
from inverse_inr.compose.linear_map import on_grid as on_grid
from inverse_inr.compose.product import Composed as Composed
from inverse_inr.compose.product import Detector as Detector
from inverse_inr.compose.product import Warp as Warp
from inverse_inr.kernels.linear import with_adjoint as with_adjoint
