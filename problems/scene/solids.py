"""Scenes of ellipsoids and blocks, whose pictures are known in closed form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import Count, FiniteTensor, Seed, checked


@checked
@dataclass(frozen=True, eq=False)
class Solids:
    """Uniform ellipsoids and blocks that emit and absorb; where they overlap, densities add.

    As a field it has four channels: the density, and the colour of what is there (grey where
    nothing is).

    Args:
        centers: (n, 3) middles, in the unit of the scene.
        halves: (n, 3) semi-axes of ellipsoids, half sides of blocks.
        blocks: (n,) 1 for a block, 0 for an ellipsoid.
        densities: (n,) absorption per unit of length.
        colours: (n, 3) between 0 and 1.

    Raises:
        ValueError: The shapes disagree, or a size is not positive.
    """

    centers: FiniteTensor
    halves: FiniteTensor
    blocks: FiniteTensor
    densities: FiniteTensor
    colours: FiniteTensor

    def __post_init__(self) -> None:
        count = len(self.centers)
        shapes = {"centers": (3,), "halves": (3,), "blocks": (), "densities": (), "colours": (3,)}
        for name, rest in shapes.items():
            value = getattr(self, name)
            if tuple(value.shape) != (count, *rest):
                raise ValueError(
                    f"Solids: {name} must be {(count, *rest)}, got {tuple(value.shape)}."
                )
            object.__setattr__(self, name, value.double())
        if not bool((self.halves > 0).all()):
            raise ValueError("Solids: halves holds a size that is not positive.")

    def without(self, index: int) -> Solids:
        """The scene without one of its solids.

        Args:
            index: The number of the solid.
        """
        kept = [k for k in range(len(self.centers)) if k != index]
        return Solids(
            self.centers[kept],
            self.halves[kept],
            self.blocks[kept],
            self.densities[kept],
            self.colours[kept],
        )

    def moved(self, shift: Tensor) -> Solids:
        """The scene with its solids elsewhere.

        Args:
            shift: (n, 3) how far each of them has moved.
        """
        return Solids(self.centers + shift, self.halves, self.blocks, self.densities, self.colours)

    def __call__(self, points: Tensor) -> Tensor:
        return self.seen_from(points.double()[..., None, :] - self.centers).to(points)

    def seen_from(self, away: Tensor) -> Tensor:
        """Evaluate at places that are known from the middle of each solid.

        Args:
            away: (*s, n, 3) from the middles, float64.

        Returns:
            (*s, 4) density and colour.
        """
        local = away / self.halves
        inside = torch.where(
            self.blocks.bool(), local.abs().amax(-1) <= 1, local.square().sum(-1) <= 1
        )
        part = self.densities * inside
        density = part.sum(-1, keepdim=True)
        colour = (part @ self.colours) / density.clamp(min=1e-12)
        colour = torch.where(density > 0, colour, 0.5)
        return torch.cat([density, colour], -1)

    def render(self, origin: Tensor, direction: Tensor, background: Tensor) -> Tensor:
        """Render exactly: between the places where a ray enters or leaves a solid all is uniform.

        Args:
            origin: (b, 3) places of the cameras.
            direction: (b, 3) unit directions.
            background: (3,) colour behind everything.

        Returns:
            (b, 3) colours.
        """
        enter, leave = self._chords(origin.double(), direction.double())
        cuts = torch.cat([enter, leave], 1).sort(dim=1).values  # (b, 2n)
        middle = 0.5 * (cuts[:, 1:] + cuts[:, :-1])
        inside = (enter[:, None] <= middle[..., None]) & (middle[..., None] <= leave[:, None])
        part = self.densities * inside  # (b, 2n - 1, n)
        optical = part.sum(-1) * cuts.diff(dim=1)
        light = (part @ self.colours) / part.sum(-1, keepdim=True).clamp(min=1e-12)
        before = optical.cumsum(1) - optical
        share = torch.exp(-before) * -torch.expm1(-optical)
        through = torch.exp(-optical.sum(1, keepdim=True))
        return (share[..., None] * light).sum(1) + through * background.double()

    @checked
    def surface_points(self, count: Count, seed: Seed = 0) -> Tensor:
        """Draw points uniformly on the surface of all solids together.

        Args:
            count: The number of points on the solids; those inside another one are left out.
            seed: Decides which.

        Returns:
            (n, 3) in float64, n up to `count`.
        """
        generator = torch.Generator().manual_seed(seed)
        drawn = [
            _on_solid(*solid, generator) for solid in zip(self.halves, self.blocks, strict=True)
        ]
        areas = torch.stack([area for _, area in drawn])
        own = torch.multinomial(areas, count, replacement=True, generator=generator)
        points = torch.empty(count, 3, dtype=torch.float64)
        for k, (cloud, _) in enumerate(drawn):
            chosen = (own == k).nonzero()[:, 0]
            pick = torch.randint(len(cloud), (len(chosen),), generator=generator)
            points[chosen] = self.centers[k] + cloud[pick]
        # a point just outside its own solid is inside another one, or nowhere
        away = points[:, None] - self.centers
        away = (
            away * torch.where(torch.arange(len(areas)) == own[:, None], 1 + 1e-5, 1.0)[..., None]
        )
        return points[self.seen_from(away)[:, 0] == 0]

    def _chords(self, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        """(b, n) where rays enter and leave each solid; equal where they miss."""
        start = (origin[:, None] - self.centers) / self.halves
        along = direction[:, None] / self.halves
        # of the unit ball
        square = along.square().sum(-1)
        half = (start * along).sum(-1) / square
        gap = half.square() - (start.square().sum(-1) - 1) / square
        root = gap.clamp(min=0).sqrt()
        # of the block from -1 to 1
        slope = torch.where(along.abs() < 1e-12, 1e-12, along)
        sides = torch.stack([(-1 - start) / slope, (1 - start) / slope])
        near = sides.amin(0).amax(-1)
        far = torch.maximum(sides.amax(0).amin(-1), near)
        block = self.blocks.bool()
        enter = torch.where(block, near, -half - root).clamp(min=0)
        leave = torch.where(block, far, -half + root).clamp(min=0)
        return enter, leave


DRAWN = 20_000
"""Points on each solid among which `surface_points` picks."""


def _on_solid(half: Tensor, block: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points (n, 3) uniform on a solid about the origin, and its area."""
    if bool(block):
        return _on_block(half, generator)
    u = torch.randn(DRAWN, 3, dtype=torch.float64, generator=generator)
    u = u / u.norm(dim=1, keepdim=True)
    # the ellipsoid's area for one of the sphere: det A |A⁻¹ u|
    stretch = half.prod() * (u / half).norm(dim=1)
    pick = torch.multinomial(stretch, DRAWN, replacement=True, generator=generator)
    return half * u[pick], 4 * math.pi * stretch.mean()


def _on_block(half: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points (n, 3) uniform on a block about the origin, and its area."""
    faces = 4 * half.prod() / half  # of the two faces across each axis
    axis = torch.multinomial(faces, DRAWN, replacement=True, generator=generator)
    points = 2 * torch.rand(DRAWN, 3, dtype=torch.float64, generator=generator) - 1
    side = points.gather(1, axis[:, None]).sign()
    return half * points.scatter(1, axis[:, None], side), 2 * faces.sum()


@dataclass(frozen=True, eq=False)
class MovingSolids:
    """Solids that move without turning; as a field, of places and times (*s, 4).

    Args:
        solids: The scene at rest.
        path: How far each solid has moved at times (*s,): (*s, n, 3), float64.
    """

    solids: Solids
    path: Callable[[Tensor], Tensor]

    def at(self, time: float) -> Solids:
        """The scene as it is at one time."""
        return self.solids.moved(self.path(torch.tensor(time, dtype=torch.float64)))

    def __call__(self, points: Tensor) -> Tensor:
        precise = points.double()
        away = precise[..., None, :3] - self.solids.centers - self.path(precise[..., 3])
        return self.solids.seen_from(away).to(points)
