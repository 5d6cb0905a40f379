"""Fidelities D(prediction, y) -> scalar, each a mean over measurements.

A noise model is a fidelity too; those stand in `inverse_inr.noise`.
"""

from inverse_inr.fidelity.correlation import NCC as NCC
from inverse_inr.fidelity.correlation import LocalNCC as LocalNCC
from inverse_inr.fidelity.curvature import curvature as curvature
from inverse_inr.fidelity.learnt_scale import LearntScale as LearntScale
from inverse_inr.fidelity.magnitudes import LogMagnitude as LogMagnitude
from inverse_inr.fidelity.magnitudes import Magnitude as Magnitude
from inverse_inr.fidelity.magnitudes import MagnitudeAndComplex as MagnitudeAndComplex
from inverse_inr.fidelity.magnitudes import WarmUp as WarmUp
from inverse_inr.fidelity.pointwise import L1 as L1
from inverse_inr.fidelity.pointwise import L2 as L2
from inverse_inr.fidelity.pointwise import Huber as Huber
from inverse_inr.fidelity.pointwise import TwoSets as TwoSets
from inverse_inr.fidelity.rows import Fidelity as Fidelity
from inverse_inr.fidelity.rows import at_rows as at_rows
from inverse_inr.fidelity.rows import decorrelated as decorrelated
from inverse_inr.fidelity.rows import least_squares as least_squares
from inverse_inr.fidelity.spectrogram import MultiResolutionSTFT as MultiResolutionSTFT
