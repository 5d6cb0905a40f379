"""Methods to compare INRs with, on any linear operator: CGLS, TV, L1, plug-and-play, diffusion."""

from inverse_inr.baselines.annealing import annealed as annealed
from inverse_inr.baselines.diffusion import ddpm_schedule as ddpm_schedule
from inverse_inr.baselines.diffusion import diffusion as diffusion
from inverse_inr.baselines.fista import l1 as l1
from inverse_inr.baselines.judge import Judge as Judge
from inverse_inr.baselines.judge import Rule as Rule
from inverse_inr.baselines.linear import cgls as cgls
from inverse_inr.baselines.linear import cgls_iterates as cgls_iterates
from inverse_inr.baselines.plug_and_play import STRENGTHS as STRENGTHS
from inverse_inr.baselines.plug_and_play import plug_and_play as plug_and_play
from inverse_inr.baselines.stochastic import StochasticPrimalDual as StochasticPrimalDual
from inverse_inr.baselines.total_variation import primal_dual_tv as primal_dual_tv
from inverse_inr.baselines.total_variation import tv as tv
from inverse_inr.kernels.wavelets import Wavelets as Wavelets
from inverse_inr.on_cpu import on_the_cpu as on_the_cpu
