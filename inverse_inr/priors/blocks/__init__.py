"""Priors of blocks that move to where the field needs them: `acorn`, and the callback `Adapt`."""

from inverse_inr.priors.blocks.adapting import Adapt as Adapt
from inverse_inr.priors.blocks.adapting import slope_indicator as slope_indicator
from inverse_inr.priors.blocks.preset import acorn as acorn
