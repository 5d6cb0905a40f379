"""Problems of a volume from stacks of moving slices: files, and simulated ones."""

from inverse_inr.problems.slices.volumes import simulated_slices as simulated_slices
from inverse_inr.problems.slices.volumes import slices as slices
