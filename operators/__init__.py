"""Forward operators, one file a family. In Python: `inverse_inr.operators`."""

from inverse_inr.operators import psf
from inverse_inr.operators.backends import on_astra, on_torch_radon
from inverse_inr.operators.backprojection import fbp, fdk
from inverse_inr.operators.blur import Blur, Downsample, psf_kernel
from inverse_inr.operators.calibration import center_by_symmetry, center_of_rotation
from inverse_inr.operators.convolution import Convolution
from inverse_inr.operators.differential import (
    Curl,
    Divergence,
    Gradient,
    Hessian,
    Jet,
    Laplacian,
    NormalDerivative,
    Residual,
    box_boundary,
)
from inverse_inr.operators.drift import DetectorDrift
from inverse_inr.operators.fmcw import FMCW, Chirp
from inverse_inr.operators.geometry_exchange import from_astra, from_scikit_image, to_astra
from inverse_inr.operators.mask import (
    CodedVideo,
    Mask,
    PointSamples,
    RandomSamples,
    bayer_mask,
    random_mask,
    striped_mask,
)
from inverse_inr.operators.matched_filter import backproject
from inverse_inr.operators.polar_format import polar_format
from inverse_inr.operators.radar_geometry import RadarGeometry
from inverse_inr.operators.radon import ConeBeam, FanBeam, ParallelBeam, RayTransform
from inverse_inr.operators.response import SpectralResponse, cie_xyz, linear_srgb
from inverse_inr.operators.sar import FarField, PhaseHistory
from inverse_inr.operators.single_pixel import FourierPatterns, HadamardPatterns, SinglePixel
from inverse_inr.operators.warp import (
    BendingEnergy,
    HyperElastic,
    JacobianDeterminant,
    WarpedImage,
    deform_jacobian,
    folded_fraction,
)

__all__ = [
    "FMCW",
    "BendingEnergy",
    "Blur",
    "Chirp",
    "CodedVideo",
    "ConeBeam",
    "Convolution",
    "Curl",
    "DetectorDrift",
    "Divergence",
    "Downsample",
    "FanBeam",
    "FarField",
    "FourierPatterns",
    "Gradient",
    "HadamardPatterns",
    "Hessian",
    "HyperElastic",
    "JacobianDeterminant",
    "Jet",
    "Laplacian",
    "Mask",
    "NormalDerivative",
    "ParallelBeam",
    "PhaseHistory",
    "PointSamples",
    "RadarGeometry",
    "RandomSamples",
    "RayTransform",
    "Residual",
    "SinglePixel",
    "SpectralResponse",
    "WarpedImage",
    "backproject",
    "bayer_mask",
    "box_boundary",
    "center_by_symmetry",
    "center_of_rotation",
    "cie_xyz",
    "deform_jacobian",
    "fbp",
    "fdk",
    "folded_fraction",
    "from_astra",
    "from_scikit_image",
    "linear_srgb",
    "on_astra",
    "on_torch_radon",
    "polar_format",
    "psf",
    "psf_kernel",
    "random_mask",
    "striped_mask",
    "to_astra",
]  # fmt: skip
