"""Collaborative filtering of similar patches: the method of BM3D, by this library's own code.

    step 1    groups of similar noisy patches, a transform in three axes, T; small coefficients go:
              T⁻¹ (z · [|z| > 2.7 σ]),   z = T (patches)
    step 2    groups that are similar after step 1, and the Wiener filter that step 1 suggests:
              T⁻¹ (z · b² / (b² + σ²)),   b = T (patches of step 1)

Every pixel is the mean over the patches that hold it, each by the inverse of its noise's variance.

Dabov, Foi, Katkovnik & Egiazarian 2007, Image denoising by sparse 3-D transform-domain
collaborative filtering.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from inverse_inr.denoisers.denoiser import CheckedDenoiser
from inverse_inr.denoisers.matching import Matches, Patches
from inverse_inr.denoisers.planes import by_planes
from inverse_inr.ranges import Count, Positive, checked

SIZES = (8, 6)
"""Pixels along each side of a patch, in the first and the second step."""

GROUPS = (16, 32)
"""The most patches in a group of each step.

These numbers, but for the paper's 16, 32 and 2.7, were found on astronaut, chelsea, coffee, camera,
cell, a corner of brick (all of scikit-image, 96 pixels) and a generated wall, with noise of 10, 25
and 50 grey levels."""

ALIKE = (6.0, 1.3)
"""Mean squared differences, in units of σ², up to which patches belong to a group of each step."""

BETA = 2.0
"""Shape of the Kaiser window that weighs the pixels of a patch."""

AT_ONCE = 2**21
"""Coefficients that are held at a time, which bounds memory."""

BIORTHOGONAL = (3.0, -3.0, -22.0, 22.0, 128.0)
"""Half of the taps of the low-pass filter of the spline wavelet 1.5, in units of √2 / 256."""

OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (0.5, -1.0, 0.5))
"""Rows of the opponent colours: brightness, red-blue, green-magenta; orthogonal once scaled."""


@checked
@dataclass(frozen=True)
class CollaborativeFilter(CheckedDenoiser):
    """Block matching and collaborative filtering in two steps, as BM3D does, without its package.

    Groups are looked for farther away than in the paper, and the second step's patches are smaller
    and overlap more. Colour images of three real channels are denoised in opponent colours, whose
    brightness finds the groups; else each channel is denoised on its own, and so are the parts of a
    complex image after its main phase was taken off.

    Args:
        search: Look this many pixels away along each axis.
        stride: Pixels from one group to the next along each axis.
        threshold: Coefficients up to so many σ are left out in the first step.
        axis: The axis of a volume that planes are cut across; None for the shortest one.

    Source:
        Dabov, Foi, Katkovnik & Egiazarian 2007, equations 4 to 11.
    """

    search: Count = 32
    stride: Count = 2
    threshold: Positive = 2.7
    axis: int | None = None

    def denoised(self, x: Tensor, sigma: float) -> Tensor:
        in_colour = x.shape[-1] == 3 and not x.is_complex()

        def planes(stack: Tensor) -> Tensor:
            return torch.stack([self._plane(plane, sigma) for plane in stack])

        return by_planes(x, planes, name="CollaborativeFilter", together=in_colour, axis=self.axis)

    def _plane(self, noisy: Tensor, sigma: float) -> Tensor:
        """Denoise (h, w, c)."""
        work = noisy
        if noisy.shape[-1] == 3:
            work = noisy @ opponent(noisy).T
        basic = self._step(work, work, sigma, first=True)
        clean = self._step(work, basic, sigma, first=False)
        if noisy.shape[-1] == 3:
            clean = clean @ opponent(noisy)
        return clean

    def _step(self, noisy: Tensor, guide: Tensor, sigma: float, *, first: bool) -> Tensor:
        """One of the two steps."""
        which = int(not first)
        patches = Patches(noisy.shape[:-1], SIZES[which], self.stride, noisy.device)
        matches = patches.matched(guide[..., :1], self.search, GROUPS[which])
        transform = _plane_transform(patches.size, first).to(noisy)
        inverse = torch.linalg.inv(transform)
        window = _window(patches.size).to(noisy)[:, None]
        seen = transform @ patches.of(noisy)  # (corners, coefficients, c)
        told = seen
        if not first:
            told = transform @ patches.of(guide)
        total = patches.mean(noisy)
        for members in _groups(matches, ALIKE[which] * sigma**2, seen[0].numel()):
            across = haar(members.shape[1]).to(noisy)
            z = _along(across, seen[members])
            if first:
                gain = (z.abs() > self.threshold * sigma).to(z)
                size = gain.sum((1, 2)).clamp(min=1.0)
            else:
                power = _along(across, told[members]).square()
                gain = power / (power + sigma**2)
                size = gain.square().sum((1, 2)).clamp(min=1e-6)
            gain[:, 0, 0] = 1.0  # the mean of a group stays, however bright the image is
            clean = inverse @ _along(across.T, gain * z)
            total.add(clean, members, window / size[:, None, None])
        return total.image()


def opponent(image: Tensor) -> Tensor:
    """The matrix (3, 3) from red, green and blue to opponent colours, orthogonal.

    Args:
        image: An image of the type and on the device that the matrix shall have.

    Returns:
        Rows for brightness, red-blue and green-magenta.
    """
    rows = image.new_tensor(OPPONENT)
    return rows / torch.linalg.vector_norm(rows, dim=1, keepdim=True)


def _along(matrix: Tensor, groups: Tensor) -> Tensor:
    """A matrix applied across the patches of groups (n, k, coefficients, c)."""
    return (matrix @ groups.flatten(2)).unflatten(2, groups.shape[2:])


def _groups(matches: Matches, farthest: float, values: int) -> list[Tensor]:
    """Numbers of the patches of groups (n, k), k a power of two: those that are near enough."""
    count = (matches.distances <= farthest).sum(1).clamp(min=1)
    size = 2 ** torch.log2(count.double()).floor().long()
    parts: list[Tensor] = []
    for k in size.unique().tolist():
        alike = matches.members[size == k, :k]
        parts += alike.split(max(1, AT_ONCE // (k * values)))
    return parts


def _plane_transform(size: tuple[int, ...], first: bool) -> Tensor:
    """The transform of a patch as one matrix, (pixels, pixels), whose rows have unit length."""
    sides = [cosines(n) for n in size]
    if first:
        sides = [spline_wavelets(n) if n == SIZES[0] else cosines(n) for n in size]
    return torch.kron(*sides)


def _window(size: tuple[int, ...]) -> Tensor:
    """Weights of a patch's pixels, (pixels,)."""
    sides = [torch.kaiser_window(n, False, beta=BETA, dtype=torch.float64) for n in size]
    return torch.kron(*sides)


@checked
def cosines(n: Count) -> Tensor:
    """The cosine transform of type II as an orthogonal matrix.

    Args:
        n: The number of values.

    Returns:
        (n, n) in float64.
    """
    place = torch.arange(n, dtype=torch.float64)
    matrix = torch.cos(math.pi / n * (place + 0.5) * place[:, None]) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix


@checked
def haar(n: Count) -> Tensor:
    """The Haar transform as an orthogonal matrix.

    Args:
        n: The number of values, a power of two.

    Returns:
        (n, n) in float64.
    """
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < n:
        unit = torch.eye(len(matrix), dtype=torch.float64)
        means = torch.kron(matrix, torch.tensor([[1.0, 1.0]], dtype=torch.float64))
        steps = torch.kron(unit, torch.tensor([[1.0, -1.0]], dtype=torch.float64))
        matrix = torch.cat([means, steps]) / math.sqrt(2)
    return matrix


@checked
def spline_wavelets(n: Count) -> Tensor:
    """The biorthogonal spline wavelets 1.5 of n periodic values as a matrix of unit rows.

    Args:
        n: The number of values, a power of two.

    Returns:
        (n, n) in float64, which has an inverse.

    Source:
        Cohen, Daubechies & Feauveau 1992.
    """
    taps = torch.tensor([*BIORTHOGONAL, *BIORTHOGONAL[::-1]], dtype=torch.float64)
    matrix = torch.eye(n, dtype=torch.float64)
    length = n
    while length > 1:
        level = torch.eye(n, dtype=torch.float64)
        level[:length, :length] = 0
        for k in range(length // 2):
            for j, tap in enumerate(taps.tolist()):
                level[k, (2 * k + j - 4) % length] += tap
            level[length // 2 + k, 2 * k] = 1.0
            level[length // 2 + k, 2 * k + 1] = -1.0
        matrix = level @ matrix
        length //= 2
    return matrix / torch.linalg.vector_norm(matrix, dim=1, keepdim=True)
