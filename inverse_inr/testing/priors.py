"""`PriorTests`: the contract of a prior, as tests to inherit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import sample


class PriorTests:
    """The contract of every prior, an nn.Module from points to values, as tests to inherit.

    Attributes:
        box: The region that the points are drawn from.
        channels: Number of channels of the prior.
    """

    box = Box((-1.0, 0.0), (2.0, 1.0))
    channels = 1

    def make(self) -> nn.Module:
        """Make a small prior on `box` with `channels` channels, the same at each call."""
        raise NotImplementedError(f"{type(self).__name__} must define make() -> nn.Module.")

    def points(self, count: int = 33, dtype: torch.dtype = torch.float32) -> Tensor:
        """Draw (count, d) points of the box, the same at each call."""
        generator = torch.Generator().manual_seed(0)
        return self.box.random_points(count, dtype=dtype, generator=generator)

    def test_shape(self) -> None:
        """Points of any leading shape, (*s, d), give values (*s, channels)."""
        prior = self.make()
        for lead in ((), (5,), (2, 3)):
            points = self.points(6)[0].expand(*lead, self.box.ndim)
            assert prior(points).shape == (*lead, self.channels), (
                f"points of shape {tuple(points.shape)}"
            )

    def test_is_deterministic(self) -> None:
        """Two priors of one seed are the same."""
        a = self.make()
        b = self.make()
        assert torch.equal(a(self.points()), b(self.points())), "two priors of one seed differ"

    def test_lattice_equals_points(self) -> None:
        """A fast path on lattices gives the values at the lattice's points."""
        prior = self.make()
        grid = Grid(self.box, (9, 7, 5)[: self.box.ndim])
        assert torch.allclose(sample(prior, grid), prior(grid.points()), atol=1e-5), (
            "sample(grid) differs from points"
        )

    def test_state_restores_it(self) -> None:
        """The `state_dict` holds everything that the values depend on."""
        a = self.make()
        b = self.make()
        with torch.no_grad():
            for p in a.parameters():
                p.add_(0.01)
        b.load_state_dict(a.state_dict())
        assert torch.equal(a(self.points()), b(self.points())), (
            "state_dict does not hold everything"
        )

    def test_every_parameter_has_a_gradient_and_one_group(self) -> None:
        """Parameters have finite gradients, and stand once in `param_groups` if there are any."""
        prior = self.make()
        prior(self.points(4096)).abs().square().sum().backward()
        assert all(
            p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in prior.parameters()
        )
        groups = getattr(prior, "param_groups", None)
        if groups is not None:
            listed = sorted(id(p) for g in groups() for p in g["params"])
            assert listed == sorted(id(p) for p in prior.parameters()), (
                "param_groups must list each parameter once"
            )

    def test_works_on_another_device(self) -> None:
        """A copy on a (make-believe) CUDA device has the same values and gradients there."""
        from inverse_inr.testing.placement import prior_on_device

        prior_on_device(self.make(), self.points(9), self.box)

    def test_precision(self) -> None:
        """A prior in float64 gives values in float64."""
        value = self.make().double()(self.points(dtype=torch.float64))
        assert value.dtype.to_real() == torch.float64
