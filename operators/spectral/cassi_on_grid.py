"""CASSI of a sampled cube: slice and add, its exact adjoint, and the exact inverse of A A'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from inverse_inr import OnGrid, with_adjoint
from inverse_inr.operators.spectral.camera import Camera
from inverse_inr.operators.spectral.shear import (
    blur_bands,
    conjugate_gradient,
    overlap,
    shear_sum,
    split_shifts,
    tridiagonal,
)
from inverse_inr.ranges import NonNegative, Positive, checked


class CassiOnGrid(OnGrid):
    """CASSI of a sampled cube (H, W, L), as `CASSI.on` makes it.

    `gram_solve` inverts A A' exactly: diagonal for whole pixels, tridiagonal for fractions.

    Args:
        camera: The camera, whose bands are those of the cube.
    """

    @checked
    def __init__(self, camera: Camera) -> None:
        super().__init__(self.snapshot, camera.bands, camera.shape)
        self.camera = camera

    @property
    def groups(self) -> Tensor:
        """The block that each detector pixel lies in, as `Camera.groups`."""
        return self.camera.groups

    def snapshot(self, cube: Tensor) -> Tensor:
        """Return what the detector sees of a cube.

        Args:
            cube: (H, W, L) or (H, W, L, c).

        Returns:
            (*shape) or (*shape, c).
        """
        if cube.ndim == 4:
            return torch.stack([self.snapshot(part) for part in cube.unbind(-1)], -1)
        return self._natural(self._see(self._bands_first(cube)))

    @checked
    def gram_solve(self, y: Tensor, eta: NonNegative = 0.0) -> Tensor:
        """Return (A A' + eta)⁻¹ y, and y itself where no light falls.

        Args:
            y: Measurements, flat or of the natural shape.
            eta: Not negative, in the unit of A A'.

        Returns:
            A tensor of the shape of y.
        """
        solve = self.gram(eta)
        if y.ndim == 1:
            return self.flatten(solve(self.unflatten(y)))
        return solve(y)

    @checked
    def gram(
        self, eta: NonNegative = 0.0, seen: Tensor | None = None, tolerance: Positive = 1e-10
    ) -> Callable[[Tensor], Tensor]:
        """Factor A A' + eta once, and return the solver behind `gram_solve`.

        A blur or several shots couple more rows than neighbours. Then conjugate gradients solve.

        Args:
            eta: Not negative, in the unit of A A'.
            seen: (*shape) bool: the rows that were measured; None for all.
            tolerance: Relative residual at which conjugate gradients stop.

        Returns:
            A function of y (*shape).
        """
        camera = self.camera
        if seen is None:
            seen = torch.ones(self.shape, dtype=torch.bool, device=camera.mask.device)
        with torch.no_grad():
            if camera.psf is not None or len(self.shape) == 3:
                return self._iterative_solver(eta, seen, tolerance)
            solve = self._banded_solver(eta, self._dispersed_last(seen))
        if camera.axis == 1:
            return lambda y: solve(y * seen)
        return lambda y: solve((y * seen).T).T

    # --- A A' -------------------------------------------------------------------------------------

    def _banded_solver(self, eta: float, seen: Tensor) -> Callable[[Tensor], Tensor]:
        """The solver of a sharp camera, for y and seen (across, long)."""
        diagonal, beside = self._banded()
        diagonal = torch.where(seen, diagonal, 0) + eta
        diagonal = torch.where(diagonal > 0, diagonal, 1)
        if self.camera.mode != "single" or not bool(beside.any()):
            scale = diagonal.reciprocal()
            return lambda y: y * scale.to(y.dtype)
        both = seen[:, 1:] & seen[:, :-1]
        return tridiagonal(diagonal, torch.where(both, beside, 0))

    def _iterative_solver(
        self, eta: float, seen: Tensor, tolerance: float
    ) -> Callable[[Tensor], Tensor]:
        gram = self._gram
        if self._alike and len(self.shape) == 2:
            gram = self._blurred_gram()

        def damped(z: Tensor) -> Tensor:
            return gram(z * seen) * seen + eta * z

        return lambda y: conjugate_gradient(damped, y * seen, tolerance)

    @property
    def _alike(self) -> bool:
        """Whether all wavelengths are blurred by one number of pixels."""
        return isinstance(self.camera.psf, Tensor) and self.camera.psf.numel() == 1

    def _gram(self, z: Tensor) -> Tensor:
        """A A' z by automatic differentiation, z (*shape)."""
        zero = torch.zeros(self.grid.shape, dtype=z.dtype, device=z.device, requires_grad=True)
        with torch.enable_grad():
            back = torch.autograd.grad(self.snapshot(zero), zero, z)[0]
        with torch.no_grad():
            return self.snapshot(back)

    def _blurred_gram(self) -> Callable[[Tensor], Tensor]:
        """A A' = B T B, of one blur B and the sharp camera's tridiagonal T. It needs no cube."""
        diagonal, beside = self._banded()
        kernels = self.camera.blur()
        assert kernels is not None
        reach = kernels.shape[1] // 2

        def blur(z: Tensor) -> Tensor:
            return blur_bands(z[None], kernels[:1].to(z))[0, :, reach : reach + z.shape[1]]

        def gram(z: Tensor) -> Tensor:
            z = blur(z)
            t = diagonal * z
            t[:, 1:] += beside * z[:, :-1]
            t[:, :-1] += beside * z[:, 1:]
            return blur(t)

        if self.camera.axis == 1:
            return gram
        return lambda z: gram(z.T).T

    def _banded(self) -> tuple[Tensor, Tensor]:
        """Diagonal (across, long) and first off-diagonal (across, long - 1) of A A', float64."""
        camera = self.camera
        across, along, long = camera.sizes
        whole, fraction = self._placed()
        weights = self._masks().double()[0] * camera.gains()[:, None, None]
        diagonal = weights.new_zeros(across, long + 1)
        beside = weights.new_zeros(across, long + 1)
        for w, k, f in zip(weights, whole, fraction.tolist(), strict=True):
            squared = w.square()
            for start, part, total in (
                (k, (1 - f) ** 2, diagonal),
                (k + 1, f**2, diagonal),
                (k, f * (1 - f), beside),
            ):
                there, here = overlap(start, along, long)
                total[:, there] += part * squared[:, here]
        return diagonal[:, :long], beside[:, : long - 1]

    # --- A ----------------------------------------------------------------------------------------

    def _placed(self) -> tuple[list[int], Tensor]:
        """Place of each band on the detector: whole pixels and the fraction of the next."""
        shifts = self.camera.shifts()
        if self.camera.mode != "single":
            shifts = torch.zeros_like(shifts)
        return split_shifts(shifts)

    def _masks(self) -> Tensor:
        """The mask in front of each band's scene pixels, (shots, 1 or L, across, along)."""
        camera = self.camera
        codes = camera.codes()
        if camera.mode == "single":
            return codes
        along = camera.sizes[1]
        whole, fraction = split_shifts(camera.mask_shifts(camera.shifts()))
        room = max(0, along + max(whole) + 1 - codes.shape[-1])
        codes = nn.functional.pad(codes, (0, room)).expand(-1, len(whole), -1, -1)
        parts = [
            torch.lerp(codes[:, b, :, k : k + along], codes[:, b, :, k + 1 : k + 1 + along], t)
            for b, (k, t) in enumerate(zip(whole, fraction.to(codes.dtype), strict=True))
        ]
        return torch.stack(parts, 1)

    def _see(self, bands: Tensor) -> Tensor:
        """(L, across, along) -> (shots, across, long)."""
        masks = self._masks()
        gains = self.camera.gains()
        whole, fraction = self._placed()
        learns = any(t.requires_grad for t in (masks, gains, fraction))
        if self.camera.psf is None and not (learns and torch.is_grad_enabled()):
            return self._slice_and_add(
                bands, masks.to(bands), gains.tolist(), whole, fraction.tolist()
            )
        kernels = self.camera.blur()
        shots = []
        for mask in masks:
            light = (mask.to(bands) * gains.to(bands)[:, None, None]) * bands
            shots.append(self._shot(light, kernels, whole, fraction))
        return torch.stack(shots)

    def _shot(
        self, light: Tensor, kernels: Tensor | None, whole: list[int], fraction: Tensor
    ) -> Tensor:
        """Light (L, across, along) behind the mask -> (across, long)."""
        long = self.camera.sizes[2]
        if kernels is None:
            return _laid(light, whole, fraction, long)
        reach = kernels.shape[1] // 2
        if not self._alike:
            light = blur_bands(light, kernels.to(light))
            return _laid(light, [k - reach for k in whole], fraction, long)
        # If all wavelengths share one blur, blur their sum once, on a detector with room for what
        # the blur spills over.
        room = 2 * reach
        y = _laid(light, [k + reach for k in whole], fraction, long + room)
        return blur_bands(y[None], kernels[:1].to(y))[0, :, room : room + long]

    def _slice_and_add(
        self,
        bands: Tensor,
        masks: Tensor,
        gains: list[float],
        whole: list[int],
        fraction: list[float],
    ) -> Tensor:
        """The common case, nothing learnt and no blur: multiply and add in place, band by band."""
        across, along, long = self.camera.sizes
        masks = masks.expand(-1, len(gains), -1, -1)
        laid = []  # (band, weight, slice of the detector, slice of the band's pixels)
        for band, (gain, k, f) in enumerate(zip(gains, whole, fraction, strict=True)):
            laid.append((band, gain * (1 - f), *overlap(k, along, long)))
            if f:
                laid.append((band, gain * f, *overlap(k + 1, along, long)))

        def lay(x: Tensor) -> Tensor:
            y = x.new_zeros(len(masks), across, long)
            for total, mask in zip(y, masks, strict=True):
                for band, weight, there, here in laid:
                    total[:, there].addcmul_(mask[band, :, here], x[band, :, here], value=weight)
            return y

        def pick(y: Tensor) -> Tensor:
            x = y.new_zeros(len(gains), across, along)
            for total, mask in zip(y, masks, strict=True):
                for band, weight, there, here in laid:
                    x[band, :, here].addcmul_(mask[band, :, here], total[:, there], value=weight)
            return x

        return with_adjoint(lay, pick)(bands)

    # --- which axis is dispersed ------------------------------------------------------------------

    def _dispersed_last(self, image: Tensor) -> Tensor:
        """(*s, H, W) <-> (*s, across, along or long)."""
        if self.camera.axis == 1:
            return image
        return image.transpose(-1, -2)

    def _bands_first(self, cube: Tensor) -> Tensor:
        return self._dispersed_last(cube.movedim(-1, 0))

    def _natural(self, y: Tensor) -> Tensor:
        """(shots, across, long) -> (*shape)."""
        y = self._dispersed_last(y)
        if len(self.shape) == 3:
            return y
        return y[0]


def _laid(light: Tensor, starts: Sequence[int], fraction: Tensor, width: int) -> Tensor:
    """Lay each band at starts plus a fraction of a pixel, and add: (L, H, W) -> (H, width)."""
    f = fraction.to(light)[:, None, None]
    y = shear_sum((1 - f) * light, starts, width)
    if bool(f.detach().any()) or f.requires_grad:
        y = y + shear_sum(f * light, [k + 1 for k in starts], width)
    return y
