"""Where k-space is sampled: masks of a Cartesian lattice, trajectories for everything else, and their density.

Masks are bool, (*shape), zero frequency at n // 2. Trajectories are (interleaves, samples, 2) in cycles per unit of
the box, out to the grid's Nyquist circle. Everything random is a pure function of its seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from inverse_inr import Grid, Gridding

GOLDEN_ANGLE = math.pi * (math.sqrt(5) - 1) / 2
"""111.246 degrees (Winkelmann et al., IEEE TMI 26, 2007): any number of successive spokes is nearly evenly spread."""


# --- Cartesian ------------------------------------------------------------------------------------------------------


def line_mask(
    shape: Sequence[int],
    acceleration: float,
    calibration: int = 24,
    *,
    axis: int = -1,
    pattern: str = "random",
    seed: int = 0,
) -> Tensor:
    """Whole lines along the other axes: `calibration` central ones, and of the rest one in `acceleration`.

    As in the literature of parallel imaging, `acceleration` is the nominal one, outside the calibration lines.
    pattern  "random", each line outside the centre equally likely, or "equispaced"
    Raises ValueError for an acceleration below 1, more calibration lines than lines, an unknown pattern.
    """
    n = shape[axis]
    if not 1 <= acceleration <= n or not 0 <= calibration <= n:
        raise ValueError(
            f"line_mask: acceleration={acceleration:g} and calibration={calibration} of {n} lines?"
        )
    kept, generator = _block(n, calibration), torch.Generator().manual_seed(seed)
    others = (~kept).nonzero()[:, 0]
    count = round(len(others) / acceleration)
    if pattern == "random":
        kept[others[torch.randperm(len(others), generator=generator)[:count]]] = True
    elif pattern == "equispaced":
        offset = int(torch.randint(math.ceil(acceleration), (), generator=generator))
        kept[(torch.arange(offset, n, acceleration, dtype=torch.float64)).long()] = True
    else:
        raise ValueError(f"line_mask: pattern must be 'random' or 'equispaced', got {pattern!r}.")
    view = [1] * len(shape)
    view[axis] = n
    return kept.reshape(view).expand(*shape).clone()


def variable_density_mask(
    shape: Sequence[int],
    acceleration: float,
    calibration: int = 24,
    *,
    power: float = 2.0,
    seed: int = 0,
) -> Tensor:
    """Independent points, denser by (1 - r)^power towards the centre; r = 1 at the corners. A fully sampled block."""
    total, wanted = math.prod(shape), _count(math.prod(shape), acceleration)
    mask = _central(shape, calibration)
    if int(mask.sum()) > wanted:
        raise ValueError(
            f"The calibration block of {int(mask.sum())} samples exceeds the {wanted} wanted."
        )
    chance = (1 - _radius(shape) / math.sqrt(len(shape))).clamp(min=1e-3) ** power
    order = (
        torch.rand(total, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).log()
        / chance.flatten()
    )
    order[mask.flatten()] = torch.inf  # exponential race: a weighted draw without replacement
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[order.topk(wanted).indices] = True
    return chosen.reshape(tuple(shape))


def poisson_disc_mask(
    shape: Sequence[int],
    acceleration: float,
    calibration: int = 24,
    *,
    slope: float = 1.5,
    seed: int = 0,
) -> Tensor:
    """No two points nearer than d (1 + slope r): Poisson disc sampling of 2-D phase encoding, denser at the centre.

    The distance d is found so that the share of samples is 1 / acceleration within 2 %; the rest is thinned or kept.
    The corners beyond the ellipse are left out, as scanners do. Lustig & Pauly (MRM 64, 2010).
    """
    if len(shape) != 2:
        raise ValueError(f"poisson_disc_mask is 2-D; shape {tuple(shape)} has {len(shape)} axes.")
    wanted, centre = _count(math.prod(shape), acceleration), _central(shape, calibration)
    if int(centre.sum()) > wanted:
        raise ValueError(
            f"The calibration block of {int(centre.sum())} samples exceeds the {wanted} wanted."
        )
    low, high = 0.0, 4.0 * math.sqrt(acceleration)
    mask = centre
    for _ in range(12):
        middle = 0.5 * (low + high)
        mask = _throw_darts(shape, middle, slope, centre, seed)
        count = int(mask.sum())
        if abs(count - wanted) <= 0.02 * wanted:
            break
        low, high = (middle, high) if count > wanted else (low, middle)
    return mask


def _throw_darts(
    shape: Sequence[int], distance: float, slope: float, centre: Tensor, seed: int
) -> Tensor:
    """Pixels in random order, each kept if no earlier one lies within its distance."""
    import numpy as np

    radius = _radius(shape).numpy()
    reach = distance * (1 + slope * radius)
    blocked = (radius > 1) | centre.numpy()
    kept = centre.numpy().copy()
    rows, columns = shape
    for pixel in np.random.default_rng(seed).permutation(rows * columns):
        i, j = divmod(int(pixel), columns)
        if blocked[i, j]:
            continue
        kept[i, j] = True
        r = int(reach[i, j])
        a, b, c, d = max(i - r, 0), min(i + r + 1, rows), max(j - r, 0), min(j + r + 1, columns)
        y, x = np.ogrid[a - i : b - i, c - j : d - j]
        blocked[a:b, c:d] |= y * y + x * x <= reach[i, j] ** 2
    return torch.from_numpy(kept)


def _count(n: int, acceleration: float) -> int:
    if not 1 <= acceleration < n:
        raise ValueError(
            f"acceleration must be at least 1 and below the {n} samples, got {acceleration}."
        )
    return round(n / acceleration)


def _block(n: int, width: int) -> Tensor:
    index = torch.arange(n) - n // 2
    return (index >= -(width // 2)) & (index < width - width // 2)


def _central(shape: Sequence[int], width: int) -> Tensor:
    mask = torch.ones((), dtype=torch.bool)
    for n in shape:
        mask = mask[..., None] & _block(n, min(width, n))
    return mask


def _radius(shape: Sequence[int]) -> Tensor:
    """Distance from the centre, 1 at the ends of the axes: (*shape), float64."""
    squared = torch.zeros((), dtype=torch.float64)
    for n in shape:
        squared = (
            squared[..., None]
            + ((torch.arange(n, dtype=torch.float64) - n // 2) / (n / 2)).square()
        )
    return squared.sqrt()


# --- trajectories ---------------------------------------------------------------------------------------------------


def radial_trajectory(
    grid: Grid, spokes: int, samples: int | None = None, *, golden: bool = True, first: int = 0
) -> Tensor:
    """Straight lines through the centre, (spokes, samples, 2): at golden angles from spoke `first` on, or evenly.

    `samples` (default: twice the grid's longest side) run from -k_max up to, not including, k_max, so that index
    samples // 2 is the centre. Axis 0 of the spoke at angle θ is ν cos θ, axis 1 ν sin θ.
    """
    if grid.ndim != 2 or spokes < 1:
        raise ValueError(
            f"radial_trajectory: spokes={spokes} must be at least 1 on a 2-D grid ({grid.ndim}-D)."
        )
    return (
        radial_frequency(grid, samples)[:, None]
        * radial_directions(spokes, golden=golden, first=first)[:, None]
    )


def radial_directions(spokes: int, *, golden: bool = True, first: int = 0) -> Tensor:
    """Unit vectors of the spokes, (spokes, 2), float64."""
    angles = radial_angles(spokes, golden=golden, first=first)
    return torch.stack([angles.cos(), angles.sin()], -1)


def radial_angles(spokes: int, *, golden: bool = True, first: int = 0) -> Tensor:
    """(spokes,) in radians, float64."""
    index = torch.arange(first, first + spokes, dtype=torch.float64)
    return index * GOLDEN_ANGLE if golden else index * math.pi / spokes


def radial_frequency(grid: Grid, samples: int | None = None) -> Tensor:
    """Signed distances from the centre along a spoke, in cycles per unit: (samples,), float64."""
    count = 2 * max(grid.shape) if samples is None else samples
    if count < 2:
        raise ValueError(f"radial: samples must be at least 2, got {count}.")
    return (torch.arange(count, dtype=torch.float64) - count // 2) / (count / 2) * min(grid.nyquist)


def spiral_trajectory(
    grid: Grid, interleaves: int, samples: int = 2048, *, density: float = 1.0, golden: bool = False
) -> Tensor:
    """Archimedean spirals from the centre, (interleaves, samples, 2), evenly turned or by the golden angle each.

    Each makes so many turns that evenly turned ones together sample the box at Nyquist's rate. `density` > 1 makes the
    turns narrower at the centre (radius ~ angle^density). Samples are evenly spaced along the path.
    """
    if grid.ndim != 2 or interleaves < 1 or samples < 2 or density < 1:
        raise ValueError(
            "spiral_trajectory: needs a 2-D grid, interleaves >= 1, samples >= 2, density >= 1."
        )
    reach = min(grid.nyquist)
    turns = max(1.0, density * reach * max(grid.box.lengths) / interleaves)
    t = torch.linspace(0, 1, 64 * math.ceil(turns) + samples, dtype=torch.float64)
    radius, angle = reach * t**density, 2 * math.pi * turns * t
    path = torch.stack([radius * angle.cos(), radius * angle.sin()], -1)
    length = torch.cat([path.new_zeros(1), path.diff(dim=0).norm(dim=-1).cumsum(0)])
    wanted = torch.linspace(0, float(length[-1]), samples, dtype=torch.float64)
    right = torch.searchsorted(length, wanted).clamp(1, len(length) - 1)
    share = (wanted - length[right - 1]) / (length[right] - length[right - 1]).clamp(min=1e-300)
    path = torch.lerp(path[right - 1], path[right], share[:, None])
    turn = torch.arange(interleaves, dtype=torch.float64) * (
        GOLDEN_ANGLE if golden else 2 * math.pi / interleaves
    )
    cos, sin = turn.cos()[:, None], turn.sin()[:, None]
    return torch.stack(
        [path[:, 0] * cos - path[:, 1] * sin, path[:, 0] * sin + path[:, 1] * cos], -1
    )


def is_radial(trajectory: Tensor) -> bool:
    """Whether each interleave of (interleaves, samples, 2) is a straight line through the centre, evenly sampled."""
    if trajectory.ndim != 3 or trajectory.shape[1] < 3 or trajectory.shape[2] != 2:
        return False
    k = trajectory.double()
    ends, small = k[:, -1:] - k[:, :1], 1e-4 * k.abs().max()
    across = (k[..., 0] * ends[..., 1] - k[..., 1] * ends[..., 0]) / ends.norm(dim=-1)
    return bool(across.abs().max() < small and k.diff(2, dim=1).abs().max() < small)


def radial_density(trajectory: Tensor) -> Tensor:
    """The area of k-space each sample of evenly spread spokes stands for: π |k| Δk / spokes, the ramp of FBP."""
    k = trajectory.double()
    step = (k[:, 1:2] - k[:, :1]).norm(dim=-1)
    return math.pi / len(k) * step * torch.maximum(k.norm(dim=-1), step / 4)


def density_compensation(trajectory: Tensor, grid: Grid, *, iterations: int = 20) -> Tensor:
    """Weights of the samples, in area of k-space: Σ w g(k) ≈ ∫ g dk for what the box can hold. Shape of the trajectory.

    w <- w / C w, where C convolves samples with the Fejér kernel of the box, the positive one that twice the box holds
    (Pipe & Menon, MRM 41, 1999). They sum to the area that the samples cover.
    """
    k = trajectory.detach().double().cpu().reshape(-1, grid.ndim)
    wide = tuple(2 * n - 1 for n in grid.shape)
    gridding = Gridding(wide, (k * torch.tensor(grid.spacing)).numpy(), dtype=torch.float64)
    taper = torch.ones((), dtype=torch.float64)
    for n in grid.shape:  # a box's autocorrelation: its transform is positive, so that C w is
        taper = taper[..., None] * (1 - torch.arange(1 - n, n, dtype=torch.float64).abs() / n)
    image = torch.zeros(wide, dtype=torch.complex128, requires_grad=True)
    with torch.enable_grad():
        seen = gridding(image)
    w = torch.ones(len(k), dtype=torch.float64)
    for _ in range(iterations):
        back = torch.autograd.grad(seen, image, w.to(image.dtype), retain_graph=True)[0]
        spread = gridding(back * taper).detach().real
        w = w / spread.clamp(min=1e-9 * float(spread.max()))
    return (w * _covered_area(k, grid) / w.sum()).reshape(trajectory.shape[:-1])


def _covered_area(k: Tensor, grid: Grid) -> float:
    """Of the circle (ball) that reaches the furthest sample, or of the square where samples fill its corners."""
    reach = float(k.norm(dim=-1).max())
    ball = math.pi * reach**2 if grid.ndim == 2 else 4 / 3 * math.pi * reach**3
    return ball if reach <= 1.01 * max(grid.nyquist) else math.prod(2 * n for n in grid.nyquist)
