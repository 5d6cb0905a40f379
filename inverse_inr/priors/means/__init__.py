"""Priors of what is known beforehand, a mean or boundary values, and of what is learnt beside."""

from inverse_inr.priors.means.boundary import HardBoundary as HardBoundary
from inverse_inr.priors.means.boundary import between_faces as between_faces
from inverse_inr.priors.means.boundary import zero_on_faces as zero_on_faces
from inverse_inr.priors.means.offset import OffsetPrior as OffsetPrior
from inverse_inr.priors.means.offset import offset as offset
