"""A generated clip: textured shapes that move before a textured ground, known at every time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.ranges import Count, Seed, checked

SHAPES = 4
"""Shapes of a clip."""
WAVES = 6
"""Waves of a texture."""


@dataclass(frozen=True)
class Texture:
    """A sum of plane waves in three colours.

    Attributes:
        waves: (n, 2) cycles per height of the picture.
        phases: (n,) in radians.
        colours: (n, 3) amplitudes.
        mean: (3,) colour around which they swing.
    """

    waves: Tensor
    phases: Tensor
    colours: Tensor
    mean: Tensor

    def __call__(self, places: Tensor) -> Tensor:
        """The colours at places (*s, 2): (*s, 3)."""
        angle = 2 * math.pi * places @ self.waves.T + self.phases
        return self.mean + angle.sin() @ self.colours


@dataclass(frozen=True)
class Mover:
    """A textured ellipse or rectangle on an elliptical path, turning.

    Attributes:
        texture: Its texture, in its own coordinates.
        halves: (2,) half sizes.
        round: Whether it is an ellipse.
        middle: (2,) of its path.
        reach: (2,) half sizes of its path.
        turns: Rounds of the path, and of the shape itself, in the whole time.
        phase: Where on the path it begins, in radians.
    """

    texture: Texture
    halves: Tensor
    round: bool
    middle: Tensor
    reach: Tensor
    turns: tuple[float, float]
    phase: float

    def over(self, places: Tensor, time: float, below: Tensor) -> Tensor:
        """Colours (*s, 3) of the shape where it is, and of what lies below it elsewhere."""
        angle = 2 * math.pi * self.turns[0] * time + self.phase
        centre = self.middle + self.reach * torch.tensor([math.sin(angle), math.cos(angle)])
        turn = 2 * math.pi * self.turns[1] * time
        c, s = math.cos(turn), math.sin(turn)
        own = (places - centre) @ torch.tensor([[c, -s], [s, c]])
        scaled = own / self.halves
        if self.round:
            inside = scaled.square().sum(-1, keepdim=True) <= 1
        else:
            inside = scaled.abs().amax(-1, keepdim=True) <= 1
        return torch.where(inside, self.texture(own), below)


@checked
def moving_shapes(
    frames: Count = 32, size: Count = 64, seed: Seed = 0, offset: float = 0.0
) -> Tensor:
    """Make a clip of textured shapes that move before a ground that pans.

    Pixels are means over 3 x 3 places. Every frame is an instant.

    Args:
        frames: Number of frames, in the middles of as many equal parts of the time.
        size: Pixels along each side.
        seed: Decides shapes, textures and paths.
        offset: Moves all instants, in frames: 0.5 gives those between the frames.

    Returns:
        (size, size, frames, 3) between 0 and 1.

    Raises:
        OutOfMemoryError: The clip does not fit the memory at hand.
    """
    memory.require(
        f"moving_shapes: {frames} frames of {size} x {size} pixels",
        12.0 * frames * size**2 + 1000.0 * size**2,
        "Fewer or smaller frames.",
    )
    generator = torch.Generator().manual_seed(seed)
    ground = _texture(generator, 4.0)
    movers = [_mover(generator) for _ in range(SHAPES)]
    line = (torch.arange(3 * size) + 0.5) / (3 * size)
    places = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1)
    pan = 0.3 * torch.rand(2, generator=generator) - 0.15
    clip = []
    for k in range(frames):
        time = (k + 0.5 + offset) / frames
        seen = ground(places - pan * time)
        for mover in movers:
            seen = mover.over(places, time, seen)
        clip.append(seen.reshape(size, 3, size, 3, 3).mean((1, 3)))
    return torch.stack(clip, 2).clamp(0, 1)


def _texture(generator: torch.Generator, cycles: float) -> Texture:
    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    waves = 2 * cycles * (draw(WAVES, 2) - 0.5)
    mean = 0.25 + 0.5 * draw(3)
    return Texture(waves, 2 * math.pi * draw(WAVES), 0.12 * (2 * draw(WAVES, 3) - 1), mean)


def _mover(generator: torch.Generator) -> Mover:
    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    texture = _texture(generator, 10.0)
    halves, middle, reach = 0.08 + 0.12 * draw(2), 0.3 + 0.4 * draw(2), 0.05 + 0.25 * draw(2)
    first, second, phase, kind = draw(4).tolist()
    turns = (1.2 * first - 0.6, second - 0.5)
    return Mover(texture, halves, kind < 0.5, middle, reach, turns, 2 * math.pi * phase)
