"""Priors of things that move: one field at rest, and how it is displaced over time."""

from inverse_inr.priors.moving.deformed import DeformedPrior as DeformedPrior
from inverse_inr.priors.moving.deformed import deformed as deformed
