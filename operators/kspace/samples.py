"""Magnetic resonance: samples of the Fourier transform of a complex field, seen through receive coils.

    y_c(k) = ∫ s_c(x) f(x) exp(-2πi k·x) dx       k in cycles per unit of the box, x in the box's own coordinates

The field is asked at the pixel centres of a grid, a pixel's share of the integral is its area times its value, and
Σ_pixels is an FFT or a NUFFT, so a phantom's `fourier(k)` and the measured k-space have the same unit. The origin of x
is where the phase is zero: scanners put it on pixel n // 2 (see `centred_box`).

A row is one k-space location, seen by all coils: y is (samples, coils), or (samples,) without coils. What varies with
the sample rather than with k is a `basis`, b (samples, L), of L images:

    y_c(k_i) = Σ_l b_l(i) F[s_c g_l](k_i)         dynamic: g_l are the field's channels, b a temporal basis
                                                  dephasing: g_l = exp(-z(x) t_l) f, b interpolates in time
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Box, Field, Grid, OnGrid, placement
from inverse_inr.operators.kspace.coils import GivenCoils
from inverse_inr.operators.kspace.dephasing import Dephasing
from inverse_inr.operators.kspace.encoding import Encoding, Lattice, Nonuniform


def centred_box(shape: Sequence[int], spacing: Sequence[float], units: Sequence[str] = ()) -> Box:
    """The box of a sampled image whose pixel n // 2 is centred on the origin: the convention of scanners and FFTs."""
    lower = [-(n // 2 + 0.5) * h for n, h in zip(shape, spacing, strict=True)]
    upper = [a + n * h for a, n, h in zip(lower, shape, spacing, strict=True)]
    return Box(tuple(lower), tuple(upper), tuple(units))


class KSpace(OnGrid):
    """What Cartesian and non-Cartesian k-space share. Rows are k-space locations, `frequencies` (samples, d)."""

    map: Encoding  # pyright: ignore[reportIncompatibleVariableOverride]
    frequencies: Tensor

    def __init__(
        self, encoding: Encoding, frequencies: Tensor, shape: tuple[int, ...], coils: int | None
    ) -> None:
        full = shape if coils is None else (*shape, coils)
        super().__init__(encoding, encoding.grid, full, trailing=0 if coils is None else 1)
        self.frequencies = nn.Buffer(frequencies, persistent=False)
        self.coil_count = coils
        self.eval()

    @property
    def coils(self) -> nn.Module | None:
        """The sensitivities as a field, (*s, d) -> (*s, coils)."""
        return self.map.coils

    def _measure(self, values: Tensor) -> Tensor:
        return self.map(values.squeeze(-1))


class CartesianKSpace(KSpace):
    """k-space on the lattice of an FFT, where `mask` is true.

    mask   (*grid.shape) of bool, zero frequency at n // 2 (k = (index - n // 2) / length); or (frames, *grid.shape)
           with a `basis` (frames, L): a mask for each time frame. Rows are its true entries in array order.
    coils  maps (coils, *grid.shape), or any field of that many complex channels: a `LearnedCoils` is learnt; None: one
    dephasing  `Dephasing` by off-resonance and relaxation: times of the rows, or of mask entries
    Raises ValueError for a mask of another shape or an empty one, maps of another shape.
    """

    map: Lattice  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self,
        grid: Grid,
        mask: Tensor,
        coils: Tensor | nn.Module | None = None,
        *,
        basis: Tensor | None = None,
        dephasing: Dephasing | None = None,
    ) -> None:
        mask = _checked_mask(mask, grid, basis)
        module, number = as_coils(coils, grid)
        lead = mask.shape[: mask.ndim - grid.ndim]
        where = mask.nonzero()
        index = where[:, len(lead) :] - torch.tensor([n // 2 for n in grid.shape])
        frequencies = index.double() / torch.tensor(grid.box.lengths, dtype=torch.float64)
        rows = None if basis is None else basis[where[:, 0]]
        encoding = Lattice(grid, index, frequencies, module, rows, dephasing)
        super().__init__(encoding, frequencies, (len(index),), number)
        self.mask = nn.Buffer(mask, persistent=False)

    def lattice(self, y: Tensor) -> Tensor:
        """Measurements (samples[, coils]) as centred k-space, zero-filled: ([coils,] [frames,] *grid.shape)."""
        full = y.new_zeros(*self.mask.shape, *y.shape[1:])
        full[self.mask.to(y.device)] = y * self.map.origin(y).reshape(-1, *(1,) * (y.ndim - 1))
        return full if y.ndim == 1 else full.movedim(-1, 0)

    def resampled(self, grid: Grid) -> CartesianKSpace:
        """The same samples, in the same order, of an image with other pixels on the same box.

        Raises ValueError for another box, pixels too coarse for the samples, time frames or dephasing.
        """
        d, old = self.grid.ndim, self.grid
        if grid.box != old.box or self.mask.ndim > d or self.map.dephasing is not None:
            raise ValueError(
                "CartesianKSpace.resampled: for still images without dephasing, on another grid of one box."
            )
        index = self.mask.nonzero() - torch.tensor(
            [n // 2 for n in old.shape], device=self.mask.device
        )
        index = index + torch.tensor([n // 2 for n in grid.shape], device=index.device)
        if bool((index < 0).any()) or bool(
            (index >= torch.tensor(grid.shape, device=index.device)).any()
        ):
            raise ValueError(
                f"CartesianKSpace.resampled: a grid {grid.shape} does not hold samples of {old.shape}."
            )
        mask = torch.zeros(grid.shape, dtype=torch.bool, device=index.device)
        mask[index.unbind(-1)] = True
        return CartesianKSpace(grid, mask, self.coils)

    def calibration(self, y: Tensor) -> Tensor:
        """The largest central block of k-space that is fully sampled: (coils, *n), DC at n // 2."""
        full = self.lattice(y if y.ndim > 1 else y[:, None])
        where = central_block(self.mask if self.mask.ndim == self.grid.ndim else self.mask.all(0))
        return full[(slice(None), *where)]


class NonCartesianKSpace(KSpace):
    """k-space along any trajectory, by Kaiser-Bessel gridding (NUFFT).

    trajectory  (*shape, d) in cycles per unit of the box, e.g. (spokes, samples, 2), within the grid's Nyquist square
    coils       as in `CartesianKSpace`
    basis       (samples, L), or (shape[0], L) for one value a spoke: temporal basis of dynamic imaging
    backend     "torch", or "finufft" (extra `mri`; CPU, plans are cached): the same values to 2e-5
    oversampling, width   of the gridding kernel; relative error below 2e-5 at the defaults
    Raises ValueError for a trajectory of another dimension, with NaN, or beyond the grid's Nyquist frequency.
    """

    def __init__(
        self,
        grid: Grid,
        trajectory: Tensor,
        coils: Tensor | nn.Module | None = None,
        *,
        basis: Tensor | None = None,
        dephasing: Dephasing | None = None,
        backend: str = "torch",
        oversampling: float = 1.375,
        width: int = 7,
    ) -> None:
        k = _checked_trajectory(trajectory, grid)
        module, number = as_coils(coils, grid)
        shape = tuple(trajectory.shape[:-1])
        if basis is not None and len(basis) != len(k):
            if len(basis) != shape[0]:
                raise ValueError(
                    f"A basis of {len(basis)} rows fits neither {len(k)} samples nor {shape[0]} spokes."
                )
            basis = basis.repeat_interleave(len(k) // shape[0], 0)
        encoding = Nonuniform(
            grid, k, module, basis, dephasing, backend, oversampling, width, trajectory.dtype
        )
        super().__init__(encoding, k, shape, number)


# --- arguments ------------------------------------------------------------------------------------------------------


def as_coils(coils: Tensor | Field | None, grid: Grid) -> tuple[nn.Module | None, int | None]:
    """Maps or a field as a module, and the number of its coils."""
    if coils is None:
        return None, None
    if isinstance(coils, Tensor):
        return GivenCoils(coils, grid), len(coils)
    if not isinstance(coils, nn.Module):
        raise TypeError(
            f"coils must be maps (coils, *grid.shape) or a module, got {type(coils).__name__}."
        )
    with torch.no_grad():
        here = grid.crop((0,) * grid.ndim, (1,) * grid.ndim).points(*placement(coils))
        return coils, int(coils(here).shape[-1])


def _checked_mask(mask: Tensor, grid: Grid, basis: Tensor | None) -> Tensor:
    frames = mask.ndim == grid.ndim + 1
    if tuple(mask.shape[int(frames) :]) != grid.shape:
        slip = " Transposed?" if tuple(mask.shape) == grid.shape[::-1] else ""
        raise ValueError(
            f"CartesianKSpace: the mask has shape {tuple(mask.shape)}, the grid {grid.shape}.{slip}"
        )
    if frames and (basis is None or len(basis) != len(mask)):
        found = "no basis" if basis is None else f"a basis of {len(basis)} rows"
        raise ValueError(
            f"CartesianKSpace: a mask of {len(mask)} frames with {found}; pass basis (frames, L)."
        )
    if not frames and basis is not None:
        raise ValueError(
            "CartesianKSpace: a basis of time frames needs a mask for each, (frames, *grid.shape)."
        )
    mask = mask.bool()
    if not mask.any():
        raise ValueError("CartesianKSpace: the mask keeps nothing. Inverted?")
    return mask


def _checked_trajectory(trajectory: Tensor, grid: Grid) -> Tensor:
    if trajectory.ndim < 2 or trajectory.shape[-1] != grid.ndim:
        raise ValueError(
            f"The trajectory has shape {tuple(trajectory.shape)}; expected (*shape, {grid.ndim})."
        )
    k = trajectory.detach().double().cpu().reshape(-1, grid.ndim)
    if not torch.isfinite(k).all():
        raise ValueError("The trajectory holds NaN or Inf.")
    reach = (k.abs().amax(0) / torch.tensor(grid.nyquist, dtype=torch.float64)).max()
    if reach > 1 + 1e-6:
        raise ValueError(
            f"The trajectory reaches {float(reach):.4g} times the grid's Nyquist frequency {grid.nyquist}, in cycles "
            "per unit of the box. Radians, or cycles per field of view?"
        )
    return k.clamp(min=-torch.tensor(grid.nyquist), max=torch.tensor(grid.nyquist))


def central_block(mask: Tensor) -> tuple[slice, ...]:
    """The largest block around n // 2 that is fully sampled, grown from there in equal steps; its own n // 2 is there.

    Raises ValueError where not even the centre is sampled.
    """
    middle = [n // 2 for n in mask.shape]
    low, high = list(middle), [m + 1 for m in middle]

    def sampled(a: list[int], b: list[int]) -> bool:
        return bool(mask[tuple(slice(i, j) for i, j in zip(a, b, strict=True))].all())

    if not sampled(low, high):
        raise ValueError("The centre of k-space is not sampled: there is no calibration region.")
    growing = True
    while growing:
        growing = False
        for axis, n in enumerate(mask.shape):
            for end, step in ((low, -1), (high, 1)):
                end[axis] += step
                if 0 <= low[axis] and high[axis] <= n and sampled(low, high):
                    growing = True
                else:
                    end[axis] -= step
    before = [min(m - a, b - m) for m, a, b in zip(middle, low, high, strict=True)]
    after = [min(b - m, k + 1) for m, b, k in zip(middle, high, before, strict=True)]
    return tuple(slice(m - k, m + n) for m, k, n in zip(middle, before, after, strict=True))
