"""Forward operators, one file a family. In Python: `inverse_inr.operators`."""

from inverse_inr.operators.backends import on_astra, on_torch_radon
from inverse_inr.operators.backprojection import fbp, fdk
from inverse_inr.operators.calibration import center_by_symmetry, center_of_rotation
from inverse_inr.operators.drift import DetectorDrift
from inverse_inr.operators.geometry_exchange import from_astra, from_scikit_image, to_astra
from inverse_inr.operators.radon import ConeBeam, FanBeam, ParallelBeam, RayTransform

__all__ = [
    "ConeBeam", "DetectorDrift", "FanBeam", "ParallelBeam", "RayTransform", "center_by_symmetry",
    "center_of_rotation", "fbp", "fdk", "from_astra", "from_scikit_image", "on_astra", "on_torch_radon", "to_astra",
]  # fmt: skip
