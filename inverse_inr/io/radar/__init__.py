"""Radar files: phase history (AFRL, CPHD, HDF5), raw captures (TI), and images (SICD, MSTAR)."""

from inverse_inr.io.radar.cphd import read_cphd as read_cphd
from inverse_inr.io.radar.cv_domes import read_cv_domes as read_cv_domes
from inverse_inr.io.radar.gotcha import read_gotcha as read_gotcha
from inverse_inr.io.radar.layout import read_radar as read_radar
from inverse_inr.io.radar.layout import write_radar as write_radar
from inverse_inr.io.radar.mstar import read_mstar as read_mstar
from inverse_inr.io.radar.phase_data import PhaseData as PhaseData
from inverse_inr.io.radar.phase_data import pulses_of as pulses_of
from inverse_inr.io.radar.phase_data import uniform_where_rounded as uniform_where_rounded
from inverse_inr.io.radar.phase_data import without_dead_pulses as without_dead_pulses
from inverse_inr.io.radar.sicd import read_sicd as read_sicd
from inverse_inr.io.radar.ti import Capture as Capture
from inverse_inr.io.radar.ti import read_ti as read_ti
from inverse_inr.io.radar.ti_json import read_ti_json as read_ti_json
from inverse_inr.io.radar.ti_settings import CaptureSettings as CaptureSettings
