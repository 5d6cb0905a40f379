"""True convolution of sampled arrays with an exact adjoint: y[m] = Σ_j kernel[j] x[origin + stride m + center - j].

Any dimension, even and odd kernels, channels behind the space axes. Boundaries, where the kernel leaves the array:

    valid      it must not: refused where the kernel would
    zero       nothing is there
    circular   the array repeats
    reflect    the array is mirrored at its outer faces: d c b a | a b c d | d c b a (half-sample symmetric)

By FFT, or directly where that is faster (few taps, and in one dimension up to 64).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from inverse_inr import with_adjoint

BOUNDARIES = ("valid", "zero", "circular", "reflect")
METHODS = ("auto", "fft", "direct")


class Convolution(nn.Module):
    """(*shape[, c]) real or complex -> (*outputs[, c]); `center` is the kernel's index of u = 0, default n // 2.

    `outputs` (default: the array's shape), `origin` and `stride` say which samples are computed.
    Raises ValueError for an unknown boundary or method, a kernel of another dimension, NaN or Inf, and for "valid"
    where the kernel leaves the array.
    """

    kernel: Tensor

    def __init__(
        self,
        kernel: Tensor,
        shape: Sequence[int],
        *,
        center: Sequence[int] | None = None,
        boundary: str = "reflect",
        origin: Sequence[int] | None = None,
        stride: Sequence[int] | None = None,
        outputs: Sequence[int] | None = None,
        method: str = "auto",
    ) -> None:
        super().__init__()
        d = kernel.ndim
        self.shape, taps = tuple(shape), kernel.shape
        center = [n // 2 for n in taps] if center is None else center
        self.outputs = self.shape if outputs is None else tuple(outputs)
        self.stride = (1,) * d if stride is None else tuple(stride)
        origin = (0,) * d if origin is None else tuple(origin)
        self._check(kernel, boundary, method)
        self.kernel, self.boundary = nn.Buffer(kernel.detach().clone(), persistent=False), boundary
        self.span = tuple(s * (m - 1) + 1 for s, m in zip(self.stride, self.outputs, strict=True))
        # samples that the outputs look at: from first to last, maybe beyond the array
        first = [o + c - (k - 1) for o, c, k in zip(origin, center, taps, strict=True)]
        last = [a + k - 2 + n for a, k, n in zip(first, taps, self.span, strict=True)]
        leaves = any(a < 0 or b >= n for a, b, n in zip(first, last, self.shape, strict=True))
        if boundary == "valid" and leaves:
            raise ValueError(
                f"Convolution: boundary='valid' needs samples {first} to {last}; the array has shape {self.shape}. "
                "Pass a grid that reaches beyond the measured one by the kernel (`Blur.reach()`)."
            )
        few = math.prod(taps) <= 9 and math.prod(self.shape) <= 2**14
        direct = few or (d == 1 and taps[0] <= 64)
        self.method = ("direct" if direct else "fft") if method == "auto" else method
        wraps = (
            boundary == "circular"
            and self.method == "fft"
            and all(m <= n for m, n in zip(self.span, self.shape, strict=True))
        )
        self.extended = self.shape
        if leaves and boundary in ("reflect", "circular") and not wraps:
            self._extend(first, last)
            first = [0] * d
        self.first = first
        self.padded = self.extended if wraps else self._sizes(taps, first)
        self._spectra: dict[tuple[torch.dtype, torch.device, int], tuple[Tensor, Tensor]] = {}

    def _check(self, kernel: Tensor, boundary: str, method: str) -> None:
        if boundary not in BOUNDARIES or method not in METHODS:
            raise ValueError(
                f"Convolution: boundary must be one of {BOUNDARIES} and method one of {METHODS}, got {boundary!r} and "
                f"{method!r}."
            )
        if kernel.ndim != len(self.shape) or not torch.isfinite(kernel).all():
            raise ValueError(
                f"Convolution: a finite kernel in {len(self.shape)} dimensions, got {tuple(kernel.shape)}."
            )
        if method == "direct" and kernel.ndim > 3:
            raise ValueError(
                f"Convolution: direct convolution has 1 to 3 dimensions, the kernel {kernel.ndim}."
            )

    def _extend(self, first: Sequence[int], last: Sequence[int]) -> None:
        """Which sample of the array stands at each place from first to last."""
        for k, (a, b, n) in enumerate(zip(first, last, self.shape, strict=True)):
            place = torch.arange(a, b + 1)
            if self.boundary == "circular":
                place = place % n
            else:
                place = place % (2 * n)
                place = torch.minimum(place, 2 * n - 1 - place)
            self.register_buffer(f"place{k}", place, persistent=False)
        self.extended = tuple(b - a + 1 for a, b in zip(first, last, strict=True))

    def _sizes(self, taps: Sequence[int], first: Sequence[int]) -> tuple[int, ...]:
        """FFT sizes at which wrapped copies of the array stay off the outputs."""
        sizes = []
        for n, k, a, m in zip(self.extended, taps, first, self.span, strict=True):
            # the array's answer lives on outputs -(a + k - 1) ... n - 1 - a, counted from the first output
            sizes.append(fast_size(max(n, n - a, m + a + k - 1, m)))
        return tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        d = len(self.shape)
        if tuple(x.shape[:d]) != self.shape or x.ndim > d + 1:
            raise ValueError(
                f"Convolution: the array has shape {tuple(x.shape)}; expected {self.shape} (and channels)."
            )
        if x.is_complex():
            parts = torch.view_as_real(x if x.ndim > d else x[..., None]).flatten(-2)
            y = torch.view_as_complex(self(parts).unflatten(-1, (-1, 2)).contiguous())
            return y if x.ndim > d else y[..., 0]
        if x.ndim > d:
            return self._rows(x.movedim(-1, 0)).movedim(0, -1)
        return self._rows(x[None])[0]

    def _rows(self, x: Tensor) -> Tensor:
        """(c, *shape) -> (c, *outputs)."""
        if self.extended != self.shape:
            for k in range(len(self.shape)):
                x = x.index_select(k + 1, self.get_buffer(f"place{k}").to(x.device))
        if self.method == "direct":
            return with_adjoint(self._direct, self._direct_adjoint)(x)
        return with_adjoint(self._fft, self._fft_adjoint)(x)

    # --- by FFT ---------------------------------------------------------------------------------------------------

    def _spectrum(self, like: Tensor, adjoint: bool) -> Tensor:
        """Transform of the kernel whose first output is sample 0, remembered as long as the kernel stays the same."""
        key = (like.dtype, like.device, self.kernel._version)
        if key not in self._spectra:
            with torch.inference_mode(False), torch.no_grad():
                full = torch.zeros(self.padded, dtype=torch.float64, device=like.device)
                places = []
                for n, k, a in zip(self.padded, self.kernel.shape, self.first, strict=True):
                    # tap j of output 0 looks at sample a + k - 1 - j
                    places.append((torch.arange(k, device=like.device) - (a + k - 1)) % n)
                index = torch.meshgrid(*places, indexing="ij")
                full.index_put_(index, self.kernel.to(full), accumulate=True)
                spectrum = torch.fft.rfftn(full).to(like.dtype.to_complex())
            self._spectra = {k: v for k, v in self._spectra.items() if k[2] == key[2]}
            self._spectra[key] = (spectrum, spectrum.conj().resolve_conj())
        return self._spectra[key][adjoint]

    def _fft(self, x: Tensor) -> Tensor:
        full = self._product(x, self._spectrum(x, adjoint=False))
        return (
            full if self.span == self.padded and set(self.stride) == {1} else full[self._chosen()]
        )

    def _fft_adjoint(self, y: Tensor) -> Tensor:
        if set(self.stride) != {1}:
            full = y.new_zeros(len(y), *self.padded)
            full[self._chosen()] = y
            y = full
        full = self._product(y, self._spectrum(y, adjoint=True))
        return (
            full
            if self.extended == self.padded
            else full[(slice(None), *(slice(n) for n in self.extended))]
        )

    def _product(self, x: Tensor, spectrum: Tensor) -> Tensor:
        """(c, ...) times the kernel's spectrum; the FFT pads with zeros."""
        axes = tuple(range(1, x.ndim))
        pad = None if x.shape[1:] == self.padded else self.padded
        return torch.fft.irfftn(
            torch.fft.rfftn(x, s=pad, dim=axes).mul_(spectrum), s=self.padded, dim=axes
        )

    def _chosen(self) -> tuple[slice, ...]:
        return (slice(None), *(slice(0, m, s) for m, s in zip(self.span, self.stride, strict=True)))

    # --- directly -------------------------------------------------------------------------------------------------

    def _margins(self) -> list[int]:
        """How far the looked-at samples exceed the array on either side (negative: they stay inside)."""
        pads = []
        for n, k, a, m in zip(self.extended, self.kernel.shape, self.first, self.span, strict=True):
            pads.append((-a, a + m + k - 1 - n))
        return [side for pair in reversed(pads) for side in pair]  # torch counts axes from the last

    def _direct(self, x: Tensor) -> Tensor:
        kernel = self.kernel.to(x).flip(tuple(range(self.kernel.ndim)))
        return self._correlate(functional.pad(x, self._margins()), kernel, self.stride)

    def _direct_adjoint(self, y: Tensor) -> Tensor:
        if set(self.stride) != {1}:
            full = y.new_zeros(len(y), *self.span)
            full[self._chosen()] = y
            y = full
        around = [k - 1 for k in reversed(self.kernel.shape) for _ in (0, 1)]
        seen = self._correlate(
            functional.pad(y, around), self.kernel.to(y), (1,) * self.kernel.ndim
        )
        return functional.pad(seen, [-side for side in self._margins()])

    def _correlate(self, x: Tensor, kernel: Tensor, stride: tuple[int, ...]) -> Tensor:
        correlate = (functional.conv1d, functional.conv2d, functional.conv3d)[kernel.ndim - 1]
        return correlate(x[:, None], kernel[None, None], stride=stride)[:, 0]


def fast_size(n: int) -> int:
    """The least even size >= n (n itself up to 8) whose factors are 2, 3, 5 and at most one 7."""
    while n > 8 and not _smooth(n):
        n += 1
    return n


def _smooth(n: int) -> bool:
    if n % 2:
        return False
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n in (1, 7)


def lattice_kernel(
    offsets: Tensor, weights: Tensor, order: int = 5
) -> tuple[Tensor, tuple[int, ...]]:
    """Taps and centre of the lattice kernel that stands for Σ_q w_q f(x - v_q), v in pixels: (q, d), (q,).

    Each node is shared out by Lagrange interpolation of odd `order`: fields that are polynomials of that degree on
    the support are exact. order 1 (linear) keeps a positive PSF positive, as Richardson-Lucy needs.
    """
    if order < 1 or order % 2 == 0:
        raise ValueError(f"lattice_kernel: order must be odd, got {order}.")
    offsets, weights = offsets.double(), weights.double()
    offsets = torch.where((offsets - offsets.round()).abs() < 1e-9, offsets.round(), offsets)
    base = offsets.floor()
    stencil = torch.arange(
        -(order // 2), order // 2 + 2, dtype=torch.float64, device=offsets.device
    )
    low = base.amin(0).long() + int(stencil[0])
    size = (base.amax(0).long() + int(stencil[-1]) - low + 1).tolist()
    index, share = base.new_zeros(len(base), 1).long(), weights[:, None]
    for k, n in enumerate(size):
        tap = (base[:, k : k + 1] + stencil - low[k]).long()
        part = _lagrange(offsets[:, k] - base[:, k], stencil)
        index = (index[:, :, None] * n + tap[:, None]).flatten(1)
        share = (share[:, :, None] * part[:, None]).flatten(1)
    kernel = (
        base.new_zeros(math.prod(size)).index_add(0, index.flatten(), share.flatten()).reshape(size)
    )
    return _trimmed(kernel, [-int(n) for n in low])


def _lagrange(t: Tensor, nodes: Tensor) -> Tensor:
    """Lagrange basis at (q,) fractions: (q, nodes)."""
    gap = nodes[:, None] - nodes
    keep = ~torch.eye(len(nodes), dtype=torch.bool, device=nodes.device)
    factors = torch.where(keep, (t[:, None, None] - nodes) / torch.where(keep, gap, 1), 1.0)
    return factors.prod(-1)


def _trimmed(kernel: Tensor, center: list[int]) -> tuple[Tensor, tuple[int, ...]]:
    """Without outer layers of zeros, as nodes on the lattice leave. The centre may lie outside, as of a long motion."""
    for axis in range(kernel.ndim):
        used = (kernel.abs().movedim(axis, 0).flatten(1).amax(1) > 0).nonzero()[:, 0]
        kernel = kernel.narrow(axis, int(used[0]), int(used[-1] - used[0]) + 1)
        center[axis] -= int(used[0])
    return kernel.contiguous(), tuple(center)
