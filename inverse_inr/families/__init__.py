"""Fields that share something: a start, a decoder, a generator; learnt through any operator.

The currency is `Problem` and `Solution`: `train(family, problems)` learns from tasks, each with its
own operator and measurements, and `family.solve(problem)` gives a solution in a few steps or one
pass. `family.start(problem)` is an ordinary prior, from which any fit goes on.
"""

from inverse_inr.families.channels import Channels as Channels
from inverse_inr.families.conditioned import Conditioned as Conditioned
from inverse_inr.families.encoders import Convolutions as Convolutions
from inverse_inr.families.encoders import Parameters as Parameters
from inverse_inr.families.family import Family as Family
from inverse_inr.families.fields import Fields as Fields
from inverse_inr.families.files import load as load
from inverse_inr.families.files import save as save
from inverse_inr.families.generated import Generated as Generated
from inverse_inr.families.gradients import activations as activations
from inverse_inr.families.gradients import fisher_diagonal as fisher_diagonal
from inverse_inr.families.gradients import sample_gradients as sample_gradients
from inverse_inr.families.linear import LinearEstimate as LinearEstimate
from inverse_inr.families.many import fit_many as fit_many
from inverse_inr.families.meta_learned import MetaLearned as MetaLearned
from inverse_inr.families.mixing import aligned as aligned
from inverse_inr.families.mixing import between as between
from inverse_inr.families.mixing import weights_of as weights_of
from inverse_inr.families.modulated import Code as Code
from inverse_inr.families.modulated import Modulated as Modulated
from inverse_inr.families.targets import truth as truth
from inverse_inr.families.teaching import train as train
from inverse_inr.families.training import Training as Training
