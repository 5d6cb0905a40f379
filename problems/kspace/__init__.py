"""Problems of magnetic resonance from k-space: simulated and measured."""

from inverse_inr.problems.kspace.cine.simulated import kspace_cine as kspace_cine
from inverse_inr.problems.kspace.image import image as image
from inverse_inr.problems.kspace.maps.simulated import kspace_maps as kspace_maps
from inverse_inr.problems.kspace.scan import kspace_scan as kspace_scan
from inverse_inr.problems.kspace.simulated import kspace as kspace
