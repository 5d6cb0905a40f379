"""Monte Carlo dropout: units of a network that are left out at random, in the fit and afterwards.

A draw leaves out the same units at every point: each is a field, and A f of it a prediction.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from inverse_inr import priors
from inverse_inr.domain import Grid
from inverse_inr.evaluation import CHUNK, sample
from inverse_inr.priors.activations import Activation
from inverse_inr.priors.topologies import Layer
from inverse_inr.problem import Problem
from inverse_inr.ranges import Range, Seed, checked
from inverse_inr.uncertainty.ensembles import Ensemble, held_out_scale


class DroppedUnits(Activation):
    """An activation some of whose units are left out, and the others made larger for it.

    Units are drawn anew before each step of a fit, by its progress; what looks at the field between
    steps sees all units.

    Args:
        activation: The activation.
        fraction: How likely a unit is left out.
        number: The layer, so that layers differ.
        seed: Decides all draws.
    """

    mask: Tensor

    def __init__(self, activation: Activation, fraction: float, number: int, seed: int) -> None:
        super().__init__()
        self.activation = activation
        self.fraction = fraction
        self.origin = 1000003 * seed + 7919 * number
        self.drawn: int | None = None
        self.smoothness = activation.smoothness
        self.arity = activation.arity
        self.is_complex = activation.is_complex

    def forward(self, *z: Tensor) -> Tensor:
        """Evaluate the activation, with the units of this draw left out."""
        values = self.activation(*z)
        if self.drawn is None:
            return values
        return values * self.kept(values)

    def kept(self, values: Tensor) -> Tensor:
        """The factor of each unit of (*s, n) values: 0, or 1 / (1 - fraction)."""
        generator = torch.Generator().manual_seed(self.origin + self.drawn_number)
        count = values.shape[-1]
        if self.is_complex:
            count //= 2
        kept = (torch.rand(count, generator=generator) >= self.fraction).to(values)
        if self.is_complex:
            kept = torch.cat([kept, kept])
        return kept / (1 - self.fraction)

    @property
    def drawn_number(self) -> int:
        """The number of the draw."""
        assert self.drawn is not None
        return self.drawn

    def anneal(self, progress: float) -> None:
        """Draw other units, as the solver calls it before each step."""
        self.drawn = round(1e9 * progress)

    def train(self, mode: bool = True) -> DroppedUnits:
        """Leave training, and all units count."""
        super().train(mode)
        if not mode:
            self.drawn = None
        return self


class Draw(nn.Module):
    """A prior with the units of one draw left out: a field of its own.

    Args:
        prior: The prior, shared by all draws.
        number: The number of the draw.
    """

    def __init__(self, prior: nn.Module, number: int) -> None:
        super().__init__()
        self.prior = prior
        self.number = number

    def _drawn(self, number: int | None) -> None:
        for module in self.prior.modules():
            if isinstance(module, DroppedUnits):
                module.drawn = number

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at points: (*s, d) -> (*s, c)."""
        self._drawn(self.number)
        try:
            return self.prior(points)
        finally:
            self._drawn(None)

    def sample(self, grid: Grid) -> Tensor:
        """Evaluate on a lattice: (*grid.shape, c)."""
        self._drawn(self.number)
        try:
            return sample(self.prior, grid)
        finally:
            self._drawn(None)

    @property
    def lattice_chunk(self) -> int:
        """Most points per call on a lattice, as the prior has it."""
        return getattr(self.prior, "lattice_chunk", CHUNK)


@checked
def mc_dropout(
    problem: Problem,
    prior: str | None = None,
    *,
    fraction: Annotated[float, Range(above=0, below=1)] = 0.1,
    draws: Annotated[int, Range(least=2)] = 30,
    seed: Seed = 0,
    device: str | torch.device | None = None,
    **solving: Any,
) -> Ensemble:
    """Fit a network once with units left out at random, and see how draws of it differ.

    Args:
        problem: The problem.
        prior: Name of a prior with layers of units; the problem's suggestion if None.
        fraction: How likely a unit is left out.
        draws: Fields that are drawn after the fit.
        seed: Of the fit and of the draws.
        device: As for `solve`; default: where the measurements are.
        **solving: Keywords of `Solver`.

    Returns:
        The draws as members of an ensemble, with the scale that held-out rows ask for.

    Raises:
        ValueError: The prior has no layers of units.

    Source:
        Gal & Ghahramani 2016; for coordinate networks UncertaINR, Vasconcelos et al. 2023.
    """
    from inverse_inr.solver import Solver

    problem = problem.to(device)
    name = prior or problem.suggested.prior
    options: dict[str, Any] = {}
    if prior is None or prior == problem.suggested.prior:
        options = dict(problem.suggested.options)
    made = priors.create(name, problem.box, problem.channels, **{"seed": seed, **options})
    layers = [module for module in made.modules() if isinstance(module, Layer)]
    if not layers:
        raise ValueError(
            f"mc_dropout: the prior {name!r} has no layers of units to leave out. "
            "'siren' and 'hash' have; ensemble takes any prior."
        )
    for number, layer in enumerate(layers):
        assert isinstance(layer.activation, Activation)
        layer.activation = DroppedUnits(layer.activation, fraction, number, seed)
    # the solver asks each part of a prior for `anneal` before each step
    whole = Solver(problem, made, seed=seed, **solving).run()
    assert isinstance(whole.field, nn.Module)
    whole.field.eval()
    members = [
        replace(whole, field=Draw(whole.field, k), method=f"{whole.method}, dropout")
        for k in range(draws)
    ]
    return Ensemble(members, held_out_scale(members))
