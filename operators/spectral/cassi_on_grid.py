"""CASSI of a sampled cube: slice and add, its exact adjoint, and the exact inverse of A A'."""

from __future__ import annotations

from collections.abc import Callable

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


class CassiOnGrid(OnGrid):
    """CASSI of a cube. `gram_solve` inverts A A' exactly: diagonal for whole pixels, tridiagonal for fractions."""

    def __init__(self, camera: Camera) -> None:
        super().__init__(self.snapshot, camera.bands, camera.shape)
        self.camera = camera

    def snapshot(self, cube: Tensor) -> Tensor:
        """(H, W, L) or (H, W, L, c) -> (*shape[, c])."""
        if cube.ndim == 4:
            return torch.stack([self.snapshot(part) for part in cube.unbind(-1)], -1)
        return self._out(self._see(self._in(cube)))

    def gram_solve(self, y: Tensor, eta: float = 0.0) -> Tensor:
        """(A A' + eta)⁻¹ y, y flat or of the natural shape; where no light falls, y."""
        flat = y.ndim == 1
        z = self.gram(eta)(self.unflatten(y) if flat else y)
        return self.flatten(z) if flat else z

    def gram(
        self, eta: float = 0.0, seen: Tensor | None = None, tolerance: float = 1e-10
    ) -> Callable[[Tensor], Tensor]:
        """The solver behind `gram_solve`, factored once; only rows `seen` (*shape, bool) were measured.

        Blur and several shots couple more rows: conjugate gradients then, to a relative residual of `tolerance`.
        """
        camera = self.camera
        seen = (
            torch.ones(self.shape, dtype=torch.bool, device=camera.mask.device)
            if seen is None
            else seen
        )
        with torch.no_grad():
            if camera.psf is not None or len(self.shape) == 3:
                gram = self._blurred_gram() if self._alike and len(self.shape) == 2 else self._gram
                return lambda y: conjugate_gradient(
                    lambda z: gram(z * seen) * seen + eta * z, y * seen, tolerance
                )
            diagonal, beside = self._banded()
        there = seen if camera.axis == 1 else seen.T
        diagonal = torch.where(there, diagonal, 0) + eta
        diagonal = torch.where(diagonal > 0, diagonal, 1)
        both = there[:, 1:] & there[:, :-1]
        if camera.mode != "single" or not bool(beside.any()):
            scale = (diagonal if camera.axis == 1 else diagonal.T).reciprocal()
            return lambda y: y * scale.to(y.dtype) * seen
        solve = tridiagonal(diagonal, torch.where(both, beside, 0))
        if camera.axis == 1:
            return lambda y: solve(y * seen)
        return lambda y: solve((y * seen).T).T

    @property
    def _alike(self) -> bool:
        """Whether all wavelengths are blurred by one number of pixels."""
        return isinstance(self.camera.psf, Tensor) and self.camera.psf.numel() == 1

    def _gram(self, z: Tensor) -> Tensor:
        zero = torch.zeros(self.grid.shape, dtype=z.dtype, device=z.device, requires_grad=True)
        with torch.enable_grad():
            back = torch.autograd.grad(self.snapshot(zero), zero, z)[0]
        with torch.no_grad():
            return self.snapshot(back)

    def _blurred_gram(self) -> Callable[[Tensor], Tensor]:
        """A A' = B T B of one blur B and the tridiagonal T of the sharp camera: no cube is needed."""
        diagonal, beside = self._banded()
        kernels = self.camera.blur()
        assert kernels is not None
        reach, axis = kernels.shape[1] // 2, self.camera.axis

        def blur(z: Tensor) -> Tensor:
            return blur_bands(z[None], kernels[:1].to(z))[0, :, reach : reach + z.shape[1]]

        def gram(z: Tensor) -> Tensor:
            z = blur(z if axis == 1 else z.T)
            t = diagonal * z
            t[:, 1:] += beside * z[:, :-1]
            t[:, :-1] += beside * z[:, 1:]
            y = blur(t)
            return y if axis == 1 else y.T

        return gram

    def _banded(self) -> tuple[Tensor, Tensor]:
        """Diagonal and first off-diagonal of A A', (across, long) and one less, in double precision."""
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

    def _placed(self) -> tuple[list[int], Tensor]:
        """Where each band is laid on the detector: whole pixels and fraction."""
        shifts = self.camera.shifts()
        return split_shifts(shifts if self.camera.mode == "single" else torch.zeros_like(shifts))

    def _masks(self) -> Tensor:
        """What each band's scene pixels meet, (shots, 1 or L, across, along)."""
        camera, codes = self.camera, self.camera.codes()
        if camera.mode == "single":
            return codes
        along, shifts = camera.sizes[1], camera.mask_shifts(camera.shifts())
        whole, fraction = split_shifts(shifts)
        room = max(0, along + max(whole) + 1 - codes.shape[-1])
        codes = nn.functional.pad(codes, (0, room)).expand(-1, len(whole), -1, -1)
        parts = [
            torch.lerp(codes[:, b, :, k : k + along], codes[:, b, :, k + 1 : k + 1 + along], t)
            for b, (k, t) in enumerate(zip(whole, fraction.to(codes.dtype), strict=True))
        ]
        return torch.stack(parts, 1)

    def _see(self, bands: Tensor) -> Tensor:
        """(L, across, along) -> (shots, across, long)."""
        masks, gains, (whole, fraction) = self._masks(), self.camera.gains(), self._placed()
        learns = any(t.requires_grad for t in (masks, gains, fraction))
        if self.camera.psf is None and not (learns and torch.is_grad_enabled()):
            return self._slice_and_add(
                bands, masks.to(bands), gains.tolist(), whole, fraction.tolist()
            )
        kernels, long = self.camera.blur(), self.camera.sizes[2]
        reach = 0 if kernels is None else kernels.shape[1] // 2
        # one blur for all wavelengths is one blur of what they sum to, on a detector with room for what it spills
        alike = self._alike
        starts, room = (
            ([k + reach for k in whole], 2 * reach) if alike else ([k - reach for k in whole], 0)
        )
        shots = []
        for mask in masks:
            z = (mask.to(bands) * gains.to(bands)[:, None, None]) * bands
            if kernels is not None and not alike:
                z = blur_bands(z, kernels.to(z))
            f = fraction.to(z)[:, None, None]
            y = shear_sum((1 - f) * z, starts, long + room)
            if bool(f.detach().any()) or f.requires_grad:
                y = y + shear_sum(f * z, [k + 1 for k in starts], long + room)
            if kernels is not None and alike:
                y = blur_bands(y[None], kernels[:1].to(y))[0, :, room : room + long]
            shots.append(y)
        return torch.stack(shots)

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
        laid = []  # (band, weight, where on the detector, which pixels)
        for band, (gain, k, f) in enumerate(zip(gains, whole, fraction, strict=True)):
            laid += [(band, gain * (1 - f), *overlap(k, along, long))]
            laid += [(band, gain * f, *overlap(k + 1, along, long))] if f else []

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

    def _in(self, cube: Tensor) -> Tensor:
        bands = cube.movedim(-1, 0)
        return bands if self.camera.axis == 1 else bands.transpose(1, 2)

    def _out(self, y: Tensor) -> Tensor:
        y = y if self.camera.axis == 1 else y.transpose(1, 2)
        return y if len(self.shape) == 3 else y[0]
