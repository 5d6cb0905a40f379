"""Priors of a mean that is known beforehand, and of a correction that is learnt."""

from inverse_inr.priors.means.offset import OffsetPrior as OffsetPrior
from inverse_inr.priors.means.offset import offset as offset
