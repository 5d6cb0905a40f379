"""One fit by several processes ("ranks"), on one machine or many, with the result of one process.

Each rank holds the whole problem and computes a share of every step. `torchrun` starts them:

    torchrun --nproc-per-node 2 -m inverse_inr run ct --out runs/ct
"""

from inverse_inr.distributed.launching import leave as leave
from inverse_inr.distributed.launching import started as started
from inverse_inr.distributed.ranks import Ranks as Ranks
from inverse_inr.distributed.together import Together as Together
from inverse_inr.distributed.together import current as current
from inverse_inr.distributed.whole import Whole as Whole
