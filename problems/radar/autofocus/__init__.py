"""Radar whose pulses have unknown phases: classical estimates, and both learnt with the scene."""

from inverse_inr.problems.radar.autofocus.focusing import autofocused as autofocused
from inverse_inr.problems.radar.autofocus.focusing import sparse_autofocus as sparse_autofocus
from inverse_inr.problems.radar.autofocus.phase_gradient import phase_gradient as phase_gradient
from inverse_inr.problems.radar.autofocus.sharpness import minimum_entropy as minimum_entropy
from inverse_inr.problems.radar.autofocus.simulated import sar_autofocus as sar_autofocus
