"""The risk of denoisers, estimated without the truth: every pixel counts, none is held out.

    y_z = y + a s z,        z: a draw of white noise, s: the size of the noise of y
    risk = mean |f(y_z) - y|² + 2/a (f(y_z) - f(y)) s z - s²

Its mean is the squared error of f at noise that is √(1 + a²) times as large: y - s z / a is a
second measurement whose noise has nothing to do with that of y_z, and (s z / a) f(y) has mean 0 and
takes most of the chance out. For small a it is Stein's estimate with a Monte Carlo divergence;
unlike that, it needs no derivative, so methods that choose or threshold are judged as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from inverse_inr import Problem, Solution, Term, noise, predict
from inverse_inr.ranges import Count, Positive, Seed, checked
from inverse_inr.solver import Candidate, null_image
from inverse_inr.solver.seeds import mix

ADDED = 0.4
"""Noise that is added, in units of what the measurements have."""

DRAWS = 1
"""Draws of added noise, each of which costs one more run of every method."""

GROUPS = 32
"""Groups of pixels by which differences are judged."""

STREAM = 2007
"""Makes of a seed one of its own."""

Method = Callable[[Problem], Solution]
"""A denoiser as a function of a problem whose operator keeps every pixel."""

Fit = Callable[[Problem, Mapping[str, Solution]], Solution]
"""A fit of a problem that may be guided by the classical solutions of the same problem."""


@checked
def by_risk(
    problem: Problem,
    classical: Mapping[str, Method],
    fit: Fit,
    *,
    added: Positive = ADDED,
    draws: Count = DRAWS,
    seed: Seed = 0,
) -> Iterator[Candidate]:
    """Run denoisers on the measurements, and once more to estimate the risk of each.

    Args:
        problem: One term, whose `Mask` keeps every pixel, with Gaussian noise of known size or
            that of a `Sensor`.
        classical: The classical methods; the first tells how large a sensor's noise is.
        fit: The fit of a prior, given the classical solutions.
        added: Standard deviation a of the noise that is added, in units of the measurements' own.
        draws: Draws of that noise.
        seed: Its seed.

    Yields:
        The fit, the classical methods and the null image, with their estimated risks.

    Raises:
        TypeError: The noise is of another kind.

    Source:
        Oliveira, Lei & Tibshirani 2021, Unbiased risk estimation in the normal means problem via
        coupled bootstrap techniques; Stein 1981.
    """
    term = problem.terms[0]
    solved = {name: method(problem) for name, method in classical.items()}
    size = deviation(term, _values(next(iter(solved.values())), term))
    generator = torch.Generator().manual_seed(mix(seed, STREAM))
    drawn = [torch.randn(term.y.shape, generator=generator).to(term.y) * size for _ in range(draws)]
    louder = [noisier(problem, z, added) for z in drawn]
    again = [{name: method(each) for name, method in classical.items()} for each in louder]

    def risk(solution: Solution, repeated: list[Solution]) -> Tensor:
        own = _values(solution, term)
        seen = [_values(each, term) for each in repeated]
        parts = [
            (one - term.y).square() + 2 / added * (one - own) * z
            for one, z in zip(seen, drawn, strict=True)
        ]
        return _grouped(torch.stack(parts).mean(0) - size**2)

    fitted = fit(problem, solved)
    repeated = [fit(each, known) for each, known in zip(louder, again, strict=True)]
    yield Candidate(fitted, risk=risk(fitted, repeated))
    for name, solution in solved.items():
        repeated = [known[name] for known in again]
        yield Candidate(solution, risk=risk(solution, repeated), classical=True)
    nothing = null_image(problem, [])
    yield Candidate(nothing, risk=_grouped(term.y.square() - size**2), classical=True)


def deviation(term: Term, mean: Tensor) -> Tensor:
    """The standard deviation of the noise of each measurement.

    Args:
        term: Its fidelity is `noise.Gaussian` or `noise.Sensor`.
        mean: Denoised measurements, of the shape of y.

    Returns:
        What broadcasts against y.

    Raises:
        TypeError: The noise is of another kind.
    """
    model = term.fidelity
    if isinstance(model, noise.Sensor):
        return model.variance(mean).sqrt()
    if isinstance(model, noise.Gaussian) and model.covariance is None:
        return torch.as_tensor(model.sigma).to(term.y)
    raise TypeError(
        f"by_risk: {type(model).__name__} is no noise.Gaussian without a covariance and no "
        "noise.Sensor; only theirs is added."
    )


def noisier(problem: Problem, drawn: Tensor, added: float) -> Problem:
    """The problem with more noise, of which its noise model knows.

    Args:
        problem: As in `by_risk`.
        drawn: A draw of noise like that of the measurements, of the shape of y.
        added: Its factor.

    Returns:
        The problem whose noise is √(1 + added²) times as large.
    """
    term = problem.terms[0]
    factor = (1 + added**2) ** 0.5
    model = term.fidelity
    if isinstance(model, noise.Sensor):
        louder = replace(model, photons=model.photons / factor**2, readout=model.readout / factor)
    else:
        assert isinstance(model, noise.Gaussian)
        louder = replace(model, sigma=model.sigma * factor)
    return replace(problem, terms=[replace(term, y=term.y + added * drawn, fidelity=louder)])


@torch.no_grad()
def _values(solution: Solution, term: Term) -> Tensor:
    """The denoised measurements."""
    return predict(term.operator, solution.field).to(term.y)


def _grouped(risk: Tensor) -> Tensor:
    """Means over groups of pixels, (groups,)."""
    each = risk.double().reshape(len(risk), -1).mean(1)
    count = min(GROUPS, len(each))
    return torch.stack([each[k::count].mean() for k in range(count)])
