"""Problems of computed tomography: simulated scans, measured ones, and sinograms from files."""

from inverse_inr.problems.ct.cone import cone as cone
from inverse_inr.problems.ct.cone import feldkamp as feldkamp
from inverse_inr.problems.ct.cone_scan import cone_scan as cone_scan
from inverse_inr.problems.ct.physics.hardening import ct_hardening as ct_hardening
from inverse_inr.problems.ct.physics.moving import ct_motion as ct_motion
from inverse_inr.problems.ct.physics.phase_contrast import ct_phase as ct_phase
from inverse_inr.problems.ct.reconstruct import reconstruct as reconstruct
from inverse_inr.problems.ct.scan import ct_scan as ct_scan
from inverse_inr.problems.ct.simulated import ct as ct
from inverse_inr.problems.ct.simulated import filtered_backprojection as filtered_backprojection
from inverse_inr.problems.ct.sinogram import ct_sinogram as ct_sinogram
