"""Whether a mask is the right way round, read off one snapshot of an unknown scene.

    correlation of the details of y and of A(1): fine structure over local mean, half whitened

A scene is smooth beside a mask, so the fine structure of a snapshot is the mask's: dispersed and
summed, as a grey scene shows it. A mask that was flipped, transposed or inverted on its way into
its file correlates by about 0 (or negatively), the right one does not. The largest correlation
within a few pixels counts, because masks are seldom where their files put them to the pixel.
Correlations at all other displacements tell how large a chance one is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.operators.spectral.shear import gaussian_kernels
from inverse_inr.ranges import checked

TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "as filed": lambda mask: mask,
    "flipped along axis 0 (upside down)": lambda mask: mask.flip(0),
    "flipped along axis 1 (mirrored)": lambda mask: mask.flip(1),
    "turned by 180 degrees": lambda mask: mask.flip(0, 1),
    "transposed": lambda mask: mask.T,
    "turned by 90 degrees (numpy.rot90)": lambda mask: mask.rot90(1),
    "turned by -90 degrees": lambda mask: mask.rot90(-1),
    "transposed across the other diagonal": lambda mask: mask.flip(0, 1).T,
}
"""The eight ways in which a square can lie, by name; four of them keep a rectangle's shape."""

SLACK = 3
"""Pixels along both axes by which the mask may lie off its place."""

FINE = 0.7
"""Standard deviation (px) of the blur below which details are noise."""

COARSE = 3.0
"""Standard deviation (px) of the blur above which a snapshot shows the scene."""

CHANCE = 10.0
"""Correlations up to this many standard deviations of chance tell nothing: scenes have details too.
Simulated ones of 20 to 96 pixels correlated with wrong masks by up to 9 of them."""

CLEARLY = 1.6
"""How many times as well as the given mask another one must correlate to speak against it."""


@dataclass(frozen=True)
class Turned:
    """How well a snapshot's details correlate with a mask and its turned and inverted copies.

    Args:
        given: The correlation with the mask as it was given.
        best: The largest correlation with another copy.
        name: How that copy lies, relative to the given mask.
        chance: Standard deviation of the correlation with a mask that has nothing to do with it.
    """

    given: float
    best: float
    name: str
    chance: float

    @property
    def speaks_against(self) -> bool:
        """Whether another copy explains the snapshot clearly, and clearly better."""
        return self.best > max(CHANCE * self.chance, CLEARLY * self.given)

    def __str__(self) -> str:
        others = f"turned or inverted copies at most {self.best:.2f}"
        if self.speaks_against:
            others = f"{self.name} {self.best:.2f}"
        elif self.given <= CHANCE * self.chance:
            others += ": too little to tell how it lies, or whether it is this camera's"
        return (
            f"its details correlate with those of the snapshot by {self.given:.2f}, {others} "
            f"(chance: {self.chance:.3f})"
        )


@checked
def turned_mask(
    y: Tensor, mask: Tensor, grey: Callable[[Tensor], Tensor], trusted: Tensor
) -> Turned:
    """Compare a snapshot with what a grey scene gives behind a mask and its turned copies.

    Args:
        y: (H, W), the snapshot.
        mask: (h, w), as it was given.
        grey: Maps a mask of that shape to the snapshot (H, W) of a scene that is 1 everywhere.
        trusted: (H, W) bool: the pixels that count.
    """
    found: dict[str, float] = {}
    chance = 0.0
    seen = _details(y.double(), trusted).conj()
    everywhere = torch.ones_like(trusted)
    for name, turn in TURNS.items():
        copy = turn(mask)
        if copy.shape != mask.shape:
            continue
        expected = _details(grey(copy.contiguous()).double(), everywhere)
        correlation = torch.fft.ifft2(seen * expected).real * y.numel()
        lags = [*range(SLACK + 1), *range(-SLACK, 0)]
        near = correlation[[k % y.shape[0] for k in lags]][:, [k % y.shape[1] for k in lags]]
        peak = float(near.flatten()[near.abs().argmax()])
        # inverted masks have the same details with the other sign
        found[name] = max(peak, 0.0)
        found[_inverted(name)] = max(-peak, 0.0)
        chance = max(chance, 1.4826 * float(correlation.abs().median()))
    given = found.pop("as filed")
    best = max(found, key=lambda name: found[name])
    return Turned(given, found[best], best, chance)


def _inverted(name: str) -> str:
    if name == "as filed":
        return "inverted (open where it is closed)"
    return f"{name} and inverted"


def _details(y: Tensor, trusted: Tensor) -> Tensor:
    """The half whitened spectrum of an image's fine structure over its local mean, of norm 1.

    Dispersion smears both images along one axis. Amplitudes under a square root make up for it.
    """
    level = _smoothed(torch.where(trusted, y, 0), COARSE)
    if not bool(trusted.all()):
        level = level / _smoothed(trusted.double(), COARSE).clamp(min=1e-3)
    filled = torch.where(trusted, y, level)
    # dark places have no details but noise
    floor = 0.1 * level.abs().mean().clamp(min=1e-300)
    fine = (_smoothed(filled, FINE) - _smoothed(filled, COARSE)) / level.clamp(min=floor)
    spectrum = torch.fft.fft2(fine)
    spectrum = spectrum / spectrum.abs().clamp(min=1e-300).sqrt()
    return spectrum / spectrum.abs().square().sum().sqrt().clamp(min=1e-300)


def _smoothed(image: Tensor, sigma: float) -> Tensor:
    """The image (H, W) blurred by a Gaussian along both axes, its edge pixels continued."""
    for _ in range(2):
        kernel = gaussian_kernels(torch.tensor([sigma], dtype=image.dtype))[0]
        r = len(kernel) // 2
        wide = torch.nn.functional.pad(image[None], (r, r), mode="replicate")[0]
        blurred = torch.zeros_like(image)
        for k, weight in enumerate(kernel.tolist()):
            blurred.add_(wide[:, k : k + image.shape[1]], alpha=weight)
        image = blurred.T.contiguous()
    return image
