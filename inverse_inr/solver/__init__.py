"""minimise over θ: D(A(f_θ), y) + Σ λ R(f_θ).

Here are the loop, its objective, what it starts from and what it returns.
"""

from inverse_inr.solver.callbacks import AgainstReference as AgainstReference
from inverse_inr.solver.callbacks import Callback as Callback
from inverse_inr.solver.callbacks import Progress as Progress
from inverse_inr.solver.checkpoint import Checkpoint as Checkpoint
from inverse_inr.solver.checkpoint import disk_full as disk_full
from inverse_inr.solver.checkpoint import read_checkpoint as read_checkpoint
from inverse_inr.solver.deciding import Candidate as Candidate
from inverse_inr.solver.deciding import Candidates as Candidates
from inverse_inr.solver.deciding import decide as decide
from inverse_inr.solver.ended import Ended as Ended
from inverse_inr.solver.identity import measurements_digest as measurements_digest
from inverse_inr.solver.images import fitted_to as fitted_to
from inverse_inr.solver.interrupt import interruptible as interruptible
from inverse_inr.solver.loop import Solver as Solver
from inverse_inr.solver.many import solve_many as solve_many
from inverse_inr.solver.solution import Solution as Solution
from inverse_inr.solver.solving import solve as solve
from inverse_inr.solver.splitting import alternate as alternate
from inverse_inr.solver.splitting import split as split
from inverse_inr.solver.starting import going_on_from as going_on_from
from inverse_inr.solver.starting import make_prior as make_prior
from inverse_inr.solver.trials import Trials as Trials
from inverse_inr.solver.trials import kept_in as kept_in
from inverse_inr.solver.verdicts import compare_held_out as compare_held_out
from inverse_inr.solver.verdicts import compare_risks as compare_risks
from inverse_inr.solver.verdicts import kept_out as kept_out
from inverse_inr.solver.verdicts import null_image as null_image
from inverse_inr.solver.weighting import WeightPath as WeightPath
from inverse_inr.solver.weighting import weight_path as weight_path
from inverse_inr.solver.weights import load_field as load_field
from inverse_inr.solver.weights import save_field as save_field
