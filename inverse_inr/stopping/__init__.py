"""When to stop and which state to keep, from the measurements alone; never from the truth."""

from inverse_inr.stopping.choosing import Split as Split
from inverse_inr.stopping.choosing import hold_out as hold_out
from inverse_inr.stopping.choosing import in_groups as in_groups
from inverse_inr.stopping.choosing import least as least
from inverse_inr.stopping.choosing import one_standard_error as one_standard_error
from inverse_inr.stopping.rules import Discrepancy as Discrepancy
from inverse_inr.stopping.rules import HeldOut as HeldOut
from inverse_inr.stopping.rules import Never as Never
from inverse_inr.stopping.rules import Stopping as Stopping
from inverse_inr.stopping.sure import SURE as SURE
from inverse_inr.stopping.sure import ComparesTwins as ComparesTwins
from inverse_inr.stopping.sure import sure as sure
