"""Problems of magnetic resonance from k-space: simulated and measured."""

from inverse_inr.problems.kspace.scan import kspace_scan as kspace_scan
from inverse_inr.problems.kspace.simulated import kspace as kspace
