"""Method "coin": the weights of a field, quantised and entropy-coded."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.codec.container import Coded, to_bytes
from inverse_inr.codec.quantizing import rounded, sensitivity_codes, step_size
from inverse_inr.codec.showing import interrupted, shown_steps
from inverse_inr.codec.sparse_weights import encode_sparse_weights
from inverse_inr.compose import OnGrid
from inverse_inr.domain import Grid
from inverse_inr.families import Fields, fit_many
from inverse_inr.families.fields import field_of
from inverse_inr.families.tasks import as_tasks, losses, power_of
from inverse_inr.fidelity import L2
from inverse_inr.priors import Prior, create
from inverse_inr.problem import Problem
from inverse_inr.solver import Solution
from inverse_inr.term import Term

BITS = 6.5
"""Bits of a weight for which a new network is laid out: finer weights want a larger network."""
HEADER = 120
"""Bytes of a header and a digest, about, that a new network leaves free."""
DEPTH = 4
"""Hidden layers of a new network."""
OMEGA0 = 30.0
"""Frequency of a new network; where the image has many samples along an axis, its multiples by two
are tried as well."""
REHEARSAL = 8
"""Part of the steps, one in so many, by which each frequency is tried."""
COARSEST, FINEST = 160, -320
"""Codes between which the common step size is sought."""


def encode_coin(
    source: Solution | Tensor,
    grid: Grid,
    bits_per_sample: float,
    steps: int,
    finish: int,
    seed: int,
    *,
    sparse: bool = False,
) -> bytes:
    """Encode a fitted field, or an image by a field that is fitted to it.

    Args:
        source: A solution whose field is a prior of the catalogue, or an image (*shape, c).
        grid: Where the samples lie.
        bits_per_sample: Most bits per sample, all bytes counted.
        steps: Steps of Adam for an image.
        finish: Steps of Adam with rounded weights.
        seed: Seed of the network of an image.
        sparse: Write weights as few columns of a random matrix, without finishing.

    Returns:
        The bytes.

    Raises:
        TypeError: The solution's field is no prior of the catalogue.
        ValueError: So few bits hold no network, or not this one; or the prior has random features,
            which are not learnt and so not coded.

    Source:
        Dupont et al. 2021 (COIN, arXiv:2103.03123); Strümpler et al. 2022, arXiv:2112.04267,
        quantisation-aware training and entropy coding of weights.
    """
    if isinstance(source, Tensor):
        source = _fitted(source, grid, bits_per_sample, steps, seed)
    field = source.field
    if not isinstance(field, Prior):
        raise TypeError(
            f"encode: the field is a {type(field).__name__}, no prior of the catalogue."
        )
    _require_reproducible(field)
    most = math.floor(bits_per_sample * grid.numel / 8)
    codes = sensitivity_codes(field)
    if sparse:
        return encode_sparse_weights(field, grid, codes, most)
    coarser = _finest(field, grid, codes, most)
    if finish:
        field = _finished(field, source.problem, codes, coarser, finish, seed)
    data = _coded(field, grid, codes, coarser)
    while len(data) > most:
        # learning on may have made the numbers a little more various
        coarser += 1
        data = _coded(field, grid, codes, coarser)
    return data


def _same(image: Tensor) -> Tensor:
    return image


def problem_of(image: Tensor, grid: Grid) -> Problem:
    """Make the problem whose measurements are the samples of an image.

    Args:
        image: (*shape, c).
        grid: Where the samples lie.

    Returns:
        The problem.
    """
    channels = image.shape[-1]
    operator = OnGrid(_same, grid, tuple(image.shape), trailing=1)
    y = image.reshape(grid.numel, channels)
    if channels == 1:
        operator = OnGrid(_same, grid, grid.shape)
        y = y[:, 0]
    return Problem([Term(operator, y, L2())], grid.box, grid, channels=channels, average=1)


def _fitted(image: Tensor, grid: Grid, bits: float, steps: int, seed: int) -> Solution:
    """A SIREN fitted to an image, of as many weights as the bits hold."""
    problem = problem_of(image, grid)
    channels = image.shape[-1]
    width = _width((bits * grid.numel - 8 * HEADER) / BITS, grid.ndim, channels)

    def fit(omega0: float, steps: int) -> Solution:
        options = {"width": width, "depth": DEPTH, "seed": seed, "omega0": omega0}
        prior = create("siren", grid.box, channels, **options)
        (solution,) = fit_many([problem], prior, steps=steps, seed=seed)
        return solution

    frequencies = [OMEGA0]
    while 2 * frequencies[-1] <= max(grid.shape) / 8:
        frequencies.append(2 * frequencies[-1])
    if len(frequencies) == 1:
        return fit(OMEGA0, steps)
    rehearsed = []
    for omega0 in frequencies:
        rehearsed.append(fit(omega0, max(1, steps // REHEARSAL)))
        if interrupted():
            break
    errors = [_error(solution, image) for solution in rehearsed]
    best = errors.index(min(errors))
    if interrupted():
        return rehearsed[best]
    return fit(frequencies[best], steps)


def _error(solution: Solution, image: Tensor) -> float:
    with torch.no_grad():
        return float((solution.sample(solution.problem.grid) - image).square().mean())


def _width(weights: float, ndim: int, channels: int) -> int:
    """The widest network of at most so many weights."""
    # (DEPTH - 1) width² + slope width + channels weights
    slope = ndim + DEPTH + channels
    root = math.sqrt(slope**2 + 4 * (DEPTH - 1) * max(0.0, weights - channels))
    width = math.floor((root - slope) / (2 * (DEPTH - 1)))
    if width < 4:
        raise ValueError(
            f"encode: bits_per_sample is too small: {weights:.0f} weights are no network. "
            "More bits, or a larger image."
        )
    return width


def _require_reproducible(field: Prior) -> None:
    """Refuse a prior whose recipe draws numbers that are not among its parameters."""
    options = dict(field.recipe.options)
    if "seed" not in options:
        raise ValueError(f"encode: {field.name!r} is no prior that its recipe makes again.")
    other = create(field.recipe.name, field.box, **{**options, "seed": options["seed"] + 1})
    theirs = dict(other.named_buffers())
    for name, own in field.named_buffers():
        if not torch.equal(own, theirs[name]):
            raise ValueError(
                f"encode: the prior {field.name!r} has numbers of its own beside its weights "
                f"({name}), which are not coded. Take one without, e.g. 'siren'."
            )


def _coded(field: Prior, grid: Grid, codes: dict[str, int], coarser: int) -> bytes:
    numbers = rounded(dict(field.named_parameters()), codes, coarser)
    return to_bytes(Coded(field, grid, numbers, codes, coarser))


def _finest(field: Prior, grid: Grid, codes: dict[str, int], most: int) -> int:
    """The finest common step size whose code is no longer than `most` bytes."""
    low, high = FINEST, COARSEST
    if len(_coded(field, grid, codes, high)) > most:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes, which do not hold this network, however "
            "coarse its weights."
        )
    # sizes that are out of all range need not be tried: 24 bits a number are refused
    finest = math.ceil(max(_least_code(field, name, code) for name, code in codes.items()))
    low = max(low, finest)
    while low < high:
        middle = (low + high) // 2
        if len(_coded(field, grid, codes, middle)) > most:
            low = middle + 1
        else:
            high = middle
    return high


def _least_code(field: Prior, name: str, code: int) -> float:
    """The common code below which a tensor's numbers need more than 23 bits."""
    largest = float(field.get_parameter(name).detach().abs().max())
    return 8 * (math.log2(max(largest, 1e-30)) - 23) - code


def _finished(
    field: Prior, problem: Problem, codes: dict[str, int], coarser: int, steps: int, seed: int
) -> Prior:
    """The field after steps of Adam in which the loss sees rounded weights.

    Gradients pass the rounding as if it were not there (straight through, Bengio et al. 2013).
    """
    own = {n: p.detach().clone().requires_grad_() for n, p in field.named_parameters()}
    sizes = {name: step_size(code + coarser) for name, code in codes.items()}
    placed = (next(field.parameters()).dtype, field.lower.device)
    tasks = as_tasks([problem], power_of([problem]), None, seed, placed)
    adam = torch.optim.Adam(
        [{"params": [p], "lr": min(0.1 * sizes[n], 1e-3)} for n, p in own.items()]
    )
    best, kept = math.inf, {n: p.detach().clone() for n, p in own.items()}
    for step in shown_steps(steps + 1, "finish"):
        seen = {n: p + (torch.round(p / sizes[n]) * sizes[n] - p).detach() for n, p in own.items()}
        fields = Fields(field, {n: p[None] for n, p in seen.items()}, [problem.box])
        loss = losses(tasks, fields, step).sum()
        if float(loss.detach()) < best:
            best = float(loss.detach())
            kept = {n: p.detach().clone() for n, p in own.items()}
        adam.zero_grad()
        loss.backward()
        adam.step()
    return field_of(field, kept, field.box)
