"""Radar problems: FMCW spectra, phase history, measured scenes, unseen views, surfaces."""

from inverse_inr.problems.radar.autofocus import sar_autofocus as sar_autofocus
from inverse_inr.problems.radar.calibration import fmcw_calibration as fmcw_calibration
from inverse_inr.problems.radar.fmcw import fmcw as fmcw
from inverse_inr.problems.radar.measured import gotcha as gotcha
from inverse_inr.problems.radar.measured import phase_history as phase_history
from inverse_inr.problems.radar.sar import sar as sar
from inverse_inr.problems.radar.sar_views import sar_views as sar_views
from inverse_inr.problems.radar.surfaces import surfaces as surfaces
