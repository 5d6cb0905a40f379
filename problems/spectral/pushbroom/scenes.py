"""A generated scene below a push-broom spectrometer, and light with the lines of the air.

Both are simplified: a field of patches with sharp borders, whose reflectances are smooth in
wavelength, and a smooth sun times Gaussian absorption lines at the places of the strongest bands of
oxygen and water.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr import Box, Grid, SampledField
from inverse_inr.ranges import Count, FiniteTensor, WholeNumber, checked

ABSORPTION = (
    (687.0, 0.35, 1.6),
    (719.0, 0.30, 5.0),
    (761.0, 1.20, 2.2),
    (823.0, 0.25, 6.0),
    (935.0, 1.10, 12.0),
)
"""Wavelength in nm, optical depth and width (standard deviation, nm): O2 B, H2O, O2 A, H2O, H2O."""
MATERIALS = 6
PATCHES = 24
"""Ellipses of a material each, one above the other."""
FOOTPRINT = 1.2
"""Full width at half maximum, in samples, of what a sample sees across the track."""
FINER = 8
"""Nodes per sample of the scene's lattice, across the track."""


@checked
def light_with_lines(nm: FiniteTensor) -> Tensor:
    """The light on the ground, 1 at its largest without the lines.

    Args:
        nm: (n,) wavelengths in nm.

    Returns:
        (n,) a black body of 5800 K times exp(-optical depth).
    """
    reach = 14387768.8 / 5800  # c2 / T in nm
    sun = nm.double() ** -5 / torch.expm1(reach / nm.double())
    depth = torch.zeros_like(sun)
    for place, strength, width in ABSORPTION:
        depth = depth + strength * torch.exp(-0.5 * ((nm.double() - place) / width).square())
    top = 500.0**-5 / math.expm1(reach / 500.0)
    return sun / top * torch.exp(-depth)


class Patches:
    """Reflectance of a generated ground: (y, x, λ) in px, px and nm.

    Args:
        box: Lines, samples and wavelengths.
        shape: Lines and samples.
        seed: Of patches and spectra.
    """

    @checked
    def __init__(self, box: Box, shape: tuple[Count, Count], *, seed: WholeNumber) -> None:
        generator = torch.Generator().manual_seed(7000 + seed)
        self.low, self.high = box.lower[2], box.upper[2]
        ground = Box(box.lower[:2], box.upper[:2], box.units[:2])
        grid = Grid(ground, (shape[0], FINER * shape[1]))
        amounts = _amounts(grid, generator)
        self.amounts = SampledField(_blurred(amounts), grid)
        r = torch.rand(MATERIALS, 5, generator=generator, dtype=torch.float64)
        self.numbers = r

    def spectra(self, nm: Tensor) -> Tensor:
        """Reflectances of the materials: (*s,) wavelengths to (*s, materials), 0.05 to 0.95."""
        u = ((nm - self.low) / (self.high - self.low))[..., None]
        base, edge, at, bump, place = self.numbers.to(u).unbind(-1)
        rise = torch.sigmoid((u - 0.2 - 0.6 * at) / 0.06)
        hill = torch.exp(-0.5 * ((u - place) / 0.15).square())
        return 0.05 + 0.3 * base + 0.35 * edge * rise + 0.25 * bump * hill

    def __call__(self, points: Tensor) -> Tensor:
        """Evaluate at (*s, 3) points: (*s, 1)."""
        amounts = self.amounts(points[..., :2])
        return (amounts * self.spectra(points[..., 2]).to(amounts)).sum(-1, keepdim=True)


def _blurred(amounts: Tensor) -> Tensor:
    """What a sample sees of the ground: a Gaussian of `FOOTPRINT` across the track."""
    sigma = FINER * FOOTPRINT / math.sqrt(8 * math.log(2))
    reach = math.ceil(4 * sigma)
    far = torch.arange(-reach, reach + 1, dtype=amounts.dtype)
    kernel = torch.exp(-0.5 * (far / sigma).square())
    rows = amounts.movedim(-1, 1)
    padded = torch.nn.functional.pad(rows, (reach, reach), mode="replicate")
    seen = torch.nn.functional.conv1d(
        padded.flatten(0, 1)[:, None], (kernel / kernel.sum())[None, None]
    )
    return seen.reshape(rows.shape).movedim(1, -1).contiguous()


def _amounts(grid: Grid, generator: torch.Generator) -> Tensor:
    """One material at each node, with the brightness of its patch: (lines, nodes, materials)."""
    points = grid.points(torch.float64)
    sides = torch.tensor(grid.box.lengths, dtype=torch.float64)
    kinds = torch.randint(MATERIALS, (PATCHES + 1,), generator=generator)
    level = 0.6 + 0.4 * torch.rand(PATCHES + 1, generator=generator, dtype=torch.float64)
    which = torch.zeros(grid.shape, dtype=torch.long)
    for k in range(1, PATCHES + 1):
        center = sides * torch.rand(2, generator=generator, dtype=torch.float64)
        radii = sides * (0.04 + 0.16 * torch.rand(2, generator=generator, dtype=torch.float64))
        inside = ((points - center) / radii).square().sum(-1) < 1
        which = torch.where(inside, k, which)
    hot = torch.nn.functional.one_hot(kinds[which], MATERIALS)
    return (hot * level[which][..., None]).float()
