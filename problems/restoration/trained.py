"""Restoration by the network that comes with the library: as a prior and as a denoiser.

It was trained on photographs (`denoisers.TrainedNetwork`), so what it makes of another kind of
image is judged by held-out measurements, or by its estimated risk, as every other method is.
"""

from __future__ import annotations

from collections.abc import Callable

from inverse_inr import Problem, Solution, baselines, noise
from inverse_inr.baselines import on_the_cpu
from inverse_inr.denoisers import TrainedNetwork
from inverse_inr.problems.restoration.deconvolution import FramedBlur, beyond_the_frame
from inverse_inr.problems.restoration.denoisers import denoised
from inverse_inr.ranges import Positive, checked

COUPLING = 0.17
"""How far steps trust the network, beside the data, as `baselines.annealed` takes it.

A step for the data leaves noise of up to sigma / (2 sqrt(coupling)) at the frequencies that the
operator half sees: with 0.25 never more than the network is told of. A little below it blurs of the
pictures that judge in `benchmarks/denoising/pictures.py` gain 0.2 dB, and generated shapes as much;
with 0.12 shapes behind a disc lose 5 dB."""


@checked
def plug_and_play(
    problem: Problem,
    coupling: Positive = COUPLING,
    first: Callable[[Problem], Solution] | None = None,
) -> Solution:
    """Restore by the trained network between steps for the data.

    Args:
        problem: A problem of a photograph with values from about 0 to 1. Of a blurred frame the
            image is found as far as the blur reaches.
        coupling: As in `baselines.annealed`.
        first: The method whose image it begins with; None for total variation.

    Returns:
        The image.

    Source:
        Zhang et al. 2021, DPIR; see `baselines.annealed` for what differs.
    """

    def method(each: Problem) -> Solution:
        start = None
        if first is not None:
            start = first(each).sample(each.grid)
        return baselines.annealed(each, start=start, coupling=coupling)

    if isinstance(problem.terms[0].operator, FramedBlur):
        return beyond_the_frame(problem, method)
    return method(problem)


@on_the_cpu
def trained_network(problem: Problem) -> Solution:
    """Denoise by the trained network, with the noise level from the noise model.

    Args:
        problem: As in `nl_bayes`.

    Returns:
        The denoised image on the problem's grid.

    Raises:
        TypeError: The operator is no `Mask`, or the fidelity is no noise model.
    """
    span = (0.0, 1.0)
    if isinstance(problem.terms[0].fidelity, noise.Sensor):
        span = None  # stabilised values count deviations of the noise
    return denoised("trained network", problem, TrainedNetwork(span=span))
