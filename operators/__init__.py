"""Forward operators, one file a family. In Python: `inverse_inr.operators`."""

from inverse_inr.operators.backprojection import fbp, fdk
from inverse_inr.operators.radon import ConeBeam, FanBeam, ParallelBeam, RayTransform

__all__ = ["ConeBeam", "FanBeam", "ParallelBeam", "RayTransform", "fbp", "fdk"]
