"""Forward operators, one file a family. In Python: `inverse_inr.operators`."""

from inverse_inr.operators import dispersion, psf
from inverse_inr.operators.backends import on_astra, on_torch_radon
from inverse_inr.operators.backprojection import fbp, fdk
from inverse_inr.operators.band_variation import BandTotalVariation
from inverse_inr.operators.blur import Blur, Downsample, psf_kernel
from inverse_inr.operators.calibration import center_by_symmetry, center_of_rotation
from inverse_inr.operators.cassi import CASSI
from inverse_inr.operators.cassi_on_grid import CassiOnGrid
from inverse_inr.operators.coils import (
    FourierMaps,
    GivenCoils,
    LearnedCoils,
    PolynomialMaps,
    birdcage_maps,
    espirit_maps,
    low_resolution_maps,
)
from inverse_inr.operators.convolution import Convolution
from inverse_inr.operators.dephasing import Dephasing
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
from inverse_inr.operators.kspace import CartesianKSpace, NonCartesianKSpace, centred_box
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
from inverse_inr.operators.occlusion import Occluded
from inverse_inr.operators.polar_format import polar_format
from inverse_inr.operators.radar_geometry import RadarGeometry
from inverse_inr.operators.radial import RadialSpokes
from inverse_inr.operators.radon import ConeBeam, FanBeam, ParallelBeam, RayTransform
from inverse_inr.operators.rendering import daylight, encode_srgb, render_srgb, xyz_weights
from inverse_inr.operators.response import SpectralResponse, cie_xyz, linear_srgb
from inverse_inr.operators.sampling import (
    density_compensation,
    is_radial,
    line_mask,
    poisson_disc_mask,
    radial_angles,
    radial_density,
    radial_frequency,
    radial_trajectory,
    spiral_trajectory,
    variable_density_mask,
)
from inverse_inr.operators.sar import FarField, PhaseHistory
from inverse_inr.operators.sar_image import SarImage
from inverse_inr.operators.single_pixel import FourierPatterns, HadamardPatterns, SinglePixel
from inverse_inr.operators.slices import SliceAcquisition, Slices
from inverse_inr.operators.toeplitz import ToeplitzNormal
from inverse_inr.operators.warp import (
    BendingEnergy,
    HyperElastic,
    JacobianDeterminant,
    WarpedImage,
    deform_jacobian,
    folded_fraction,
)

__all__ = [
    "CASSI",
    "FMCW",
    "BandTotalVariation",
    "BendingEnergy",
    "Blur",
    "CartesianKSpace",
    "CassiOnGrid",
    "Chirp",
    "CodedVideo",
    "ConeBeam",
    "Convolution",
    "Curl",
    "Dephasing",
    "DetectorDrift",
    "Divergence",
    "Downsample",
    "FanBeam",
    "FarField",
    "FourierMaps",
    "FourierPatterns",
    "GivenCoils",
    "Gradient",
    "HadamardPatterns",
    "Hessian",
    "HyperElastic",
    "JacobianDeterminant",
    "Jet",
    "Laplacian",
    "LearnedCoils",
    "Mask",
    "NonCartesianKSpace",
    "NormalDerivative",
    "Occluded",
    "ParallelBeam",
    "PhaseHistory",
    "PointSamples",
    "PolynomialMaps",
    "RadarGeometry",
    "RadialSpokes",
    "RandomSamples",
    "RayTransform",
    "Residual",
    "SarImage",
    "SinglePixel",
    "SliceAcquisition",
    "Slices",
    "SpectralResponse",
    "ToeplitzNormal",
    "WarpedImage",
    "backproject",
    "bayer_mask",
    "birdcage_maps",
    "box_boundary",
    "center_by_symmetry",
    "center_of_rotation",
    "centred_box",
    "cie_xyz",
    "daylight",
    "deform_jacobian",
    "density_compensation",
    "dispersion",
    "encode_srgb",
    "espirit_maps",
    "fbp",
    "fdk",
    "folded_fraction",
    "from_astra",
    "from_scikit_image",
    "is_radial",
    "line_mask",
    "linear_srgb",
    "low_resolution_maps",
    "on_astra",
    "on_torch_radon",
    "poisson_disc_mask",
    "polar_format",
    "psf",
    "psf_kernel",
    "radial_angles",
    "radial_density",
    "radial_frequency",
    "radial_trajectory",
    "random_mask",
    "render_srgb",
    "spiral_trajectory",
    "striped_mask",
    "to_astra",
    "variable_density_mask",
    "xyz_weights",
]
