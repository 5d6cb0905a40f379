"""Priors that make whole frames of a video: `nerv`, `hnerv` and `hinerv`.

The last axis of the box is time. Between pixels they are multilinear, and they have no derivatives
by place.
"""

from inverse_inr.priors.frames.hinerv import hinerv as hinerv
from inverse_inr.priors.frames.hnerv import hnerv as hnerv
from inverse_inr.priors.frames.nerv import nerv as nerv
