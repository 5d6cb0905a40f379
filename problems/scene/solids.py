"""Scenes of ellipsoids and blocks, whose pictures are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.ranges import FiniteTensor, checked


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

    def __call__(self, points: Tensor) -> Tensor:
        local = (points.double()[..., None, :] - self.centers) / self.halves
        inside = torch.where(
            self.blocks.bool(), local.abs().amax(-1) <= 1, local.square().sum(-1) <= 1
        )
        part = self.densities * inside
        density = part.sum(-1, keepdim=True)
        colour = (part @ self.colours) / density.clamp(min=1e-12)
        colour = torch.where(density > 0, colour, 0.5)
        return torch.cat([density, colour], -1).to(points)

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
