"""Arrays whose channels are not calibrated: classical estimates, and both learnt with the scene."""

from inverse_inr.problems.radar.calibration.classical import (
    reflector_calibration as reflector_calibration,
)
from inverse_inr.problems.radar.calibration.classical import (
    sparse_calibration as sparse_calibration,
)
from inverse_inr.problems.radar.calibration.coherence import coherence as coherence
from inverse_inr.problems.radar.calibration.errors import channel_misfit as channel_misfit
from inverse_inr.problems.radar.calibration.errors import reflector_bound as reflector_bound
from inverse_inr.problems.radar.calibration.learning import calibrated as calibrated
from inverse_inr.problems.radar.calibration.simulated import fmcw_calibration as fmcw_calibration
