"""Forward operators, one folder per modality. In Python: `inverse_inr.operators`."""

from inverse_inr.operators.ct.backends import on_astra, on_torch_radon
from inverse_inr.operators.ct.backprojection import fbp, fdk
from inverse_inr.operators.ct.beam.detector import Afterglow, ScintillatorBlur
from inverse_inr.operators.ct.beam.polychromatic import Polychromatic
from inverse_inr.operators.ct.beam.scatter import Scatter
from inverse_inr.operators.ct.center_of_rotation import center_by_symmetry, center_of_rotation
from inverse_inr.operators.ct.cone_beam import ConeBeam
from inverse_inr.operators.ct.cone_vectors import ConeVectors
from inverse_inr.operators.ct.diverging_beams import FanBeam
from inverse_inr.operators.ct.drift import DetectorDrift
from inverse_inr.operators.ct.geometry_exchange import from_astra, from_scikit_image, to_astra
from inverse_inr.operators.ct.motion.moving_object import MovingObject
from inverse_inr.operators.ct.motion.shifts import ShiftedViews
from inverse_inr.operators.ct.phase.propagation import PhaseContrast
from inverse_inr.operators.ct.radon import ParallelBeam
from inverse_inr.operators.ct.ray_transform import RayTransform
from inverse_inr.operators.differential import (
    Curl,
    Divergence,
    Gradient,
    Hessian,
    Laplacian,
    NormalDerivative,
    Residual,
    box_boundary,
)
from inverse_inr.operators.jet import Jet
from inverse_inr.operators.kspace.coil_estimation import espirit_maps, low_resolution_maps
from inverse_inr.operators.kspace.coils import GivenCoils, LearnedCoils, PolynomialMaps
from inverse_inr.operators.kspace.density import density_compensation, radial_density
from inverse_inr.operators.kspace.dephasing import Dephasing
from inverse_inr.operators.kspace.moving import MovingKSpace
from inverse_inr.operators.kspace.parametric import ThroughSequence
from inverse_inr.operators.kspace.radial import RadialSpokes
from inverse_inr.operators.kspace.samples import CartesianKSpace, NonCartesianKSpace, centred_box
from inverse_inr.operators.kspace.sampling_patterns import (
    line_mask,
    poisson_disc_mask,
    variable_density_mask,
)
from inverse_inr.operators.kspace.sequences import GradientEchoes, InversionRecovery, SpinEcho
from inverse_inr.operators.kspace.simulated_coils import FourierMaps, birdcage_maps
from inverse_inr.operators.kspace.toeplitz import ToeplitzNormal
from inverse_inr.operators.kspace.trajectories import (
    is_radial,
    radial_angles,
    radial_frequency,
    radial_trajectory,
    spiral_trajectory,
)
from inverse_inr.operators.optics import psf
from inverse_inr.operators.optics.blur import Blur, Downsample
from inverse_inr.operators.optics.coded_video import CodedVideo
from inverse_inr.operators.optics.convolution import Convolution
from inverse_inr.operators.optics.lattice_kernel import psf_kernel
from inverse_inr.operators.optics.mask import Mask, bayer_mask, random_mask, striped_mask
from inverse_inr.operators.optics.patterns import FourierPatterns, HadamardPatterns
from inverse_inr.operators.optics.points import PointSamples, RandomSamples
from inverse_inr.operators.optics.single_pixel import SinglePixel
from inverse_inr.operators.radar.calibration.channel_errors import ChannelErrors
from inverse_inr.operators.radar.calibration.virtual_array import VirtualArray
from inverse_inr.operators.radar.fmcw import FMCW, Chirp
from inverse_inr.operators.radar.geometry import RadarGeometry
from inverse_inr.operators.radar.matched_filter import backproject
from inverse_inr.operators.radar.occlusion import Occluded
from inverse_inr.operators.radar.polar_format import polar_format
from inverse_inr.operators.radar.pulse_errors import PulseErrors
from inverse_inr.operators.radar.sar import FarField, PhaseHistory
from inverse_inr.operators.radar.sar_image import SarImage
from inverse_inr.operators.scene.cameras import Cameras, looking_at
from inverse_inr.operators.scene.frames import Frames
from inverse_inr.operators.scene.places import Values
from inverse_inr.operators.scene.rendering import VolumeRendering
from inverse_inr.operators.slices.acquisition import SliceAcquisition, Slices
from inverse_inr.operators.spectral import dispersion
from inverse_inr.operators.spectral.band_variation import BandTotalVariation
from inverse_inr.operators.spectral.camera import BandResponse
from inverse_inr.operators.spectral.cassi import CASSI
from inverse_inr.operators.spectral.cassi_on_grid import CassiOnGrid
from inverse_inr.operators.spectral.coded_aperture import Placement
from inverse_inr.operators.spectral.colour_matching import cie_xyz, linear_srgb
from inverse_inr.operators.spectral.pushbroom import LegendreSurface, PushBroom
from inverse_inr.operators.spectral.rendering import daylight, encode_srgb, render_srgb, xyz_weights
from inverse_inr.operators.spectral.response import SpectralResponse
from inverse_inr.operators.ultrasound.travel_times import TravelTimes, transducer_ring
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
    "Afterglow",
    "BandResponse",
    "BandTotalVariation",
    "BendingEnergy",
    "Blur",
    "Cameras",
    "CartesianKSpace",
    "CassiOnGrid",
    "ChannelErrors",
    "Chirp",
    "CodedVideo",
    "ConeBeam",
    "ConeVectors",
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
    "Frames",
    "GivenCoils",
    "Gradient",
    "GradientEchoes",
    "HadamardPatterns",
    "Hessian",
    "HyperElastic",
    "InversionRecovery",
    "JacobianDeterminant",
    "Jet",
    "Laplacian",
    "LearnedCoils",
    "LegendreSurface",
    "Mask",
    "MovingKSpace",
    "MovingObject",
    "NonCartesianKSpace",
    "NormalDerivative",
    "Occluded",
    "ParallelBeam",
    "PhaseContrast",
    "PhaseHistory",
    "Placement",
    "PointSamples",
    "Polychromatic",
    "PolynomialMaps",
    "PulseErrors",
    "PushBroom",
    "RadarGeometry",
    "RadialSpokes",
    "RandomSamples",
    "RayTransform",
    "Residual",
    "SarImage",
    "Scatter",
    "ScintillatorBlur",
    "ShiftedViews",
    "SinglePixel",
    "SliceAcquisition",
    "Slices",
    "SpectralResponse",
    "SpinEcho",
    "ThroughSequence",
    "ToeplitzNormal",
    "TravelTimes",
    "Values",
    "VirtualArray",
    "VolumeRendering",
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
    "looking_at",
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
    "transducer_ring",
    "variable_density_mask",
    "xyz_weights",
]
