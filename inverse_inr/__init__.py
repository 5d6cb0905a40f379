"""inverse_inr."""

from inverse_inr.compose import Detector as Detector
from inverse_inr.domain import Box as Box
from inverse_inr.domain import Grid as Grid
from inverse_inr.domain import sample as sample
