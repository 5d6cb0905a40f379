"""Space: `Box` is Ω in physical units, `Grid` a lattice of pixel centres in it.

Coordinates are in array-axis order: axis k of a sampled array is coordinate k, and pixel centres
lie at half-integer positions (pixel i of n covers [i, i + 1] / n of the axis).
"""

from inverse_inr.domain.box import Box as Box
from inverse_inr.domain.grid import Grid as Grid
from inverse_inr.domain.grid import pixel_grid as pixel_grid
