"""Answers that students give to the notebooks' exercises, each with its slip."""

import math
from types import SimpleNamespace
from typing import Any

import torch

import inverse_inr as ii


class IntegralsAlongSegments:
    """The length is in it: not a mean."""

    def __init__(self, start: torch.Tensor, end: torch.Tensor, nodes: int = 32) -> None:
        self.start, self.end = start, end
        self.along = ((torch.arange(nodes) + 0.5) / nodes)[:, None]

    def __len__(self) -> int:
        return len(self.start)

    def __call__(self, rows: torch.Tensor) -> ii.Query:
        start, end = self.start[rows][:, None], self.end[rows][:, None]
        length = (end - start).norm(dim=-1)[:, 0]
        points = start + self.along * (end - start)
        return ii.Query(points, lambda values: values[..., 0].mean(1) * length)


def wrapped(cube: torch.Tensor, mask: torch.Tensor, step: int) -> torch.Tensor:
    """What leaves on the right comes in on the left."""
    bands = [torch.roll(mask * cube[..., k], k * step, 1) for k in range(cube.shape[-1])]
    return torch.nn.functional.pad(sum(bands), (0, (cube.shape[-1] - 1) * step))  # type: ignore[arg-type]


def mask_after(cube: torch.Tensor, mask: torch.Tensor, step: int) -> torch.Tensor:
    """The mask stays where it is, only light moves."""
    h, w, count = cube.shape
    y = torch.zeros(h, w + (count - 1) * step)
    for k in range(count):
        y[:, k * step : k * step + w] += cube[..., k]
    return y * torch.nn.functional.pad(mask, (0, (count - 1) * step))


CHIRP = SimpleNamespace(wavelength=0.03)
NAMES: dict[str, dict[str, Any]] = {"03": {"sigma": 0.01}, "09": {"chirp": CHIRP}}
"""What solutions and checks of a notebook need of it; 11 and 14 need the notebook itself."""

WRONG: dict[tuple[str, int], list[Any]] = {
    ("01", 1): [
        lambda x: (x.norm(dim=-1) < 0.5).to(x.dtype),  # no channel
        lambda x: (x.abs().amax(-1, keepdim=True) < 0.5).to(x.dtype),  # a square
        lambda x: (x.norm(dim=-1, keepdim=True) < 0.5).float(),  # always single precision
    ],
    ("01", 2): [21, 39, 99],
    ("02", 1): [16.0, 1.6, 10.1],
    ("02", 2): [lambda s: int(s.mean(1).argmin()), lambda s: 0],
    ("03", 1): [lambda views: 0.01, lambda views: 0.01 * views / 60],
    ("03", 2): [64, 201, 32],
    ("04", 1): [lambda v, p: (v.index(min(v)), len(v) - 1), lambda v, p: (len(v) - 1, len(v) - 1)],
    ("04", 2): [0.0, 0.3, 1.54],
    ("05", 1): [lambda p, photons: torch.ones_like(p) / photons**0.5],
    ("05", 2): [
        lambda p, n, photons, b: ((photons * torch.exp(-p) + b - n) ** 2).mean(),
        lambda p, n, photons, b: (photons * torch.exp(-p) + n * p).mean(),  # no background
    ],
    ("06", 1): [lambda n: [*range(0, n, 2), *range(1, n, 2)], lambda n: list(range(n))],
    ("06", 2): [lambda found, true: (found - true).norm(dim=1).mean()],
    ("07", 1): [4, 35 / 80],
    ("07", 2): [
        lambda k, shift: torch.exp(2j * torch.pi * (k @ shift)),
        lambda k, shift: k @ shift,
    ],
    ("08", 1): [wrapped, mask_after],
    ("08", 2): [lambda a, b: torch.acos(torch.nn.functional.cosine_similarity(a, b, -1))],
    ("09", 1): [3e10, 1.5e8],
    ("09", 2): [30.0, 7.5],
    ("10", 1): [
        lambda s, level: float(torch.quantile(s, level)),
        lambda s, level: float(s.sort().values[min(len(s), math.ceil(len(s) * level)) - 1]),
    ],
    ("10", 2): [20, 95],
    ("11", 1): [IntegralsAlongSegments],
    ("11", 2): [1.4, 1.45],
    ("12", 1): [lambda u: u.laplacian + 5 * u.value, lambda u: 0 * u.value],
    ("12", 2): [lambda u: u.d(0, 0) - 4 * u.d(1, 1), lambda u: u.d(1, 1) - 2 * u.d(0, 0)],
    ("13", 1): [lambda start, rate, target, steps: target, lambda s, r, t, n: s - n * r * (s - t)],
    ("13", 2): [lambda targets: targets.median(), lambda targets: targets[0]],
}
"""By notebook and exercise; those of 14 need its fits."""
