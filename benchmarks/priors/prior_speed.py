"""Compare the time per step of priors, as ratios within one run on one thread.

    python benchmarks/priors/prior_speed.py

The WIRE variants are compared with SIREN of the same width and depth. The hash prior is compared
with two plainer implementations of the same encoding. Separable priors are evaluated on a grid,
which takes less time than point by point.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, optimizers, priors
from inverse_inr.priors.lattices.encoding import GridEncoding

BOX = Box((-1.0, -1.0), (1.0, 1.0))


def best(work: Callable[[], object], repeats: int = 7) -> float:
    """Shortest CPU time of several runs, in seconds."""
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def in_turns(works: list[Callable[[], object]], turns: int = 5) -> list[float]:
    """Shortest CPU time of each, in seconds.

    They run one after the other in each turn, so that a busy moment of the machine slows all alike.
    """
    rounds = [[best(work, 3) for work in works] for _ in range(turns)]
    return [min(times) for times in zip(*rounds, strict=True)]


def step(prior: nn.Module, points: Tensor) -> Callable[[], object]:
    """One optimizer step as a function: forward, backward and Adam's update."""
    if isinstance(prior, priors.Prior):
        groups = prior.param_groups()
    else:
        groups = [{"role": "other", "params": list(prior.parameters()), "lr": 1e-2}]
    optimizer = optimizers.Adam().build(groups)

    def closure() -> Tensor:
        prior.zero_grad(set_to_none=True)
        loss = prior(points).square().mean()
        loss.backward()
        return loss

    return lambda: optimizer.step(closure, 0.0)


class PortedHash(nn.Module):
    """The hash prior written as PyTorch ports write it.

    It has the same encoding and network, but looks up an embedding for each corner of each level.
    """

    def __init__(self, prior: priors.Prior) -> None:
        super().__init__()
        assert isinstance(prior.encoding, GridEncoding)
        self.prior = prior
        self.encoding = prior.encoding

    def forward(self, points: Tensor) -> Tensor:
        """Values (points, channels) at `points`."""
        e = self.encoding
        x = self.prior.box.normalize(points)
        features = []
        for k, start in enumerate(e.start.tolist()):
            position = torch.minimum(e.scale[k] * x + e.shift[k], e.top[k]).clamp(min=0)
            cell = torch.minimum(position.floor(), e.top[k] - 1)
            fraction = position - cell
            cell = cell.long()
            seen = 0.0
            for corner in itertools.product((0, 1), repeat=x.shape[-1]):
                offset = torch.tensor(corner)
                terms = (cell + offset) * e.steps[k].long()
                index = terms[:, 0]
                if e.hashed[k]:
                    for term in terms.T[1:]:
                        index = index ^ term
                    index = index % e.table_size
                else:
                    for term in terms.T[1:]:
                        index = index + term
                weight = torch.where(offset == 1, fraction, 1 - fraction).prod(-1, keepdim=True)
                seen = seen + weight * nn.functional.embedding(start + index, e.table)
            features.append(seen)
        return self.prior.network(torch.cat(features, -1))


class PlainHash(nn.Module):
    """The hash prior with our stencil of all levels at once, but plain indexing under autograd.

    The difference in time is the gain of our gather alone.
    """

    def __init__(self, prior: priors.Prior) -> None:
        super().__init__()
        assert isinstance(prior.encoding, GridEncoding)
        self.prior = prior
        self.encoding = prior.encoding

    def forward(self, points: Tensor) -> Tensor:
        """Values (points, channels) at `points`."""
        index, weight = self.encoding.stencil(self.prior.box.normalize(points))
        seen = (self.encoding.table[index.long()] * weight[..., None]).sum(1)
        features = seen.unflatten(0, (len(self.encoding.sizes), -1)).transpose(0, 1).flatten(1)
        return self.prior.network(features)


def main() -> None:
    torch.set_num_threads(1)
    points = BOX.random_points(2**14, generator=torch.Generator().manual_seed(0))
    siren = best(step(priors.siren(BOX, width=128, depth=4), points))
    print(f"siren 128 x 4, {len(points)} points: {1e3 * siren:.0f} ms a step")
    for variant in ("complex", "real", "two"):
        prior = priors.wire(BOX, width=128, depth=4, variant=variant)
        print(
            f"wire {variant}, {prior.parameter_count} parameters: "
            f"{best(step(prior, points)) / siren:.2f} x siren"
        )
    same = priors.hash(BOX)
    torch.testing.assert_close(PortedHash(same)(points), same(points))
    for count in (2**14, 2**17):
        some = BOX.random_points(count, generator=torch.Generator().manual_seed(0))
        ours, port, plain = in_turns(
            [step(make(priors.hash(BOX)), some) for make in (lambda p: p, PortedHash, PlainHash)]
        )
        print(
            f"hash, 8 levels, 2 x 32, {count} points: "
            f"{count / ours / 1e6:.2f} million points a second, "
            f"{port / ours:.1f} x a PyTorch port (an embedding for each corner of each level), "
            f"{plain / ours:.1f} x indexing with our stencil"
        )
    volume = Box((0.0, 0.0, 400.0), (1.0, 1.0, 700.0), ("mm", "mm", "nm"))
    grid = Grid(volume, (256, 256, 28))
    with torch.no_grad():
        for name in ("separable", "tensor"):
            prior = priors.create(name, volume)
            lattice = best(lambda p=prior: p.sample(grid), 3)
            part = grid.points().reshape(-1, 3)[:: 28 * 4]
            single = best(lambda p=prior, x=part: p(x), 3) * grid.numel / len(part)
            print(
                f"{name}, 256 x 256 x 28: on the lattice {single / lattice:.0f} x "
                f"faster than point by point"
            )


if __name__ == "__main__":
    main()
