"""Problems of a volume from stacks of moving slices: files, and simulated ones."""

from inverse_inr.problems.slices.simulation import Artefacts as Artefacts
from inverse_inr.problems.slices.simulation import Motion as Motion
from inverse_inr.problems.slices.simulation import Slicing as Slicing
from inverse_inr.problems.slices.volume import volume as volume
from inverse_inr.problems.slices.volumes import simulated_slices as simulated_slices
from inverse_inr.problems.slices.volumes import slices as slices
