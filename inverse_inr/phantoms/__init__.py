"""Analytic truths: fields whose line integrals and Fourier transforms are known in closed form.

They simulate CT and MRI data in 2-D and 3-D without a grid, hence without an inverse crime.
Lengths are in the box's unit and frequencies in cycles per unit; results follow the dtype and
device of the arguments.
"""

from inverse_inr.phantoms.blobs import GaussianBlobs as GaussianBlobs
from inverse_inr.phantoms.blobs import gaussian_blobs as gaussian_blobs
from inverse_inr.phantoms.ellipsoids import Ellipsoids as Ellipsoids
from inverse_inr.phantoms.heads import shepp_logan as shepp_logan
from inverse_inr.phantoms.heads import shepp_logan_3d as shepp_logan_3d
from inverse_inr.phantoms.shapes import off_line as off_line
