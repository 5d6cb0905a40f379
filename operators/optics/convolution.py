"""True convolution of sampled arrays with an exact adjoint.

    y[m] = Σ_j kernel[j] x[origin + stride m + center - j]

Any dimension, even and odd kernels, channels behind the space axes. Boundaries, where the kernel
leaves the array:

    valid      it must not: refused where the kernel would
    zero       nothing is there
    circular   the array repeats
    reflect    the array is mirrored at its outer faces: d c b a | a b c d | d c b a (half-sample)

It is computed by FFT, or directly where that is faster: with few taps, and in one dimension with up
to 64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from inverse_inr import with_adjoint
from inverse_inr.operators.optics.fft_sizes import fast_size
from inverse_inr.ranges import checked

BOUNDARIES = ("valid", "zero", "circular", "reflect")
"""Names of the boundaries; the module's docstring explains them."""

METHODS = ("auto", "fft", "direct")
"""Ways to compute the convolution; "auto" takes the faster one."""


class Convolution(nn.Module):
    """A convolution of arrays (*shape[, c]), real or complex, with values (*outputs[, c]).

    Args:
        kernel: The taps, real, one axis per dimension.
        shape: Shape of the array, without channels.
        center: The kernel's index of u = 0; default n // 2 along each axis.
        boundary: One of `BOUNDARIES`.
        origin: The array's sample at which the first output lies; default 0 along each axis.
        stride: Samples from one output to the next; default 1 along each axis.
        outputs: Shape of the result; default the array's shape.
        method: One of `METHODS`.

    Raises:
        ValueError: For an unknown boundary or method, a kernel of another dimension, NaN or Inf,
            and for "valid" where the kernel leaves the array.
    """

    kernel: Tensor

    @checked
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
        taps = kernel.shape
        self.shape = tuple(shape)
        center = _given(center, [n // 2 for n in taps])
        origin = _given(origin, (0,) * d)
        self.outputs = _given(outputs, self.shape)
        self.stride = _given(stride, (1,) * d)
        self._check(kernel, boundary, method)
        self.kernel = nn.Buffer(kernel.detach().clone(), persistent=False)
        self.boundary = boundary
        self.span = tuple(s * (m - 1) + 1 for s, m in zip(self.stride, self.outputs, strict=True))
        # samples that the outputs look at: from first to last, maybe beyond the array
        first = [o + c - (k - 1) for o, c, k in zip(origin, center, taps, strict=True)]
        last = [a + k - 2 + n for a, k, n in zip(first, taps, self.span, strict=True)]
        leaves = any(a < 0 or b >= n for a, b, n in zip(first, last, self.shape, strict=True))
        if boundary == "valid" and leaves:
            raise ValueError(
                f"Convolution: boundary='valid' needs samples {first} to {last}; the array has "
                f"shape {self.shape}. Pass a grid that reaches beyond the measured one by the "
                "kernel (`Blur.reach()`)."
            )
        self.method = self._faster_method() if method == "auto" else method
        wraps = self._wraps_by_itself()
        self.extended = self.shape
        if leaves and boundary in ("reflect", "circular") and not wraps:
            self._extend(first, last)
            first = [0] * d
        self.first = first
        self.padded = self.extended if wraps else self._sizes(taps, first)
        self._transforms: dict[tuple[torch.dtype, torch.device, int], tuple[Tensor, Tensor]] = {}

    def _check(self, kernel: Tensor, boundary: str, method: str) -> None:
        if boundary not in BOUNDARIES or method not in METHODS:
            raise ValueError(
                f"Convolution: boundary must be one of {BOUNDARIES} and method one of {METHODS}, "
                f"got {boundary!r} and {method!r}."
            )
        if kernel.ndim != len(self.shape) or not torch.isfinite(kernel).all():
            raise ValueError(
                f"Convolution: a finite kernel in {len(self.shape)} dimensions, "
                f"got {tuple(kernel.shape)}."
            )
        if method == "direct" and kernel.ndim > 3:
            raise ValueError(
                f"Convolution: direct convolution has 1 to 3 dimensions, the kernel {kernel.ndim}."
            )

    def _faster_method(self) -> str:
        taps = self.kernel.shape
        few = math.prod(taps) <= 9 and math.prod(self.shape) <= 2**14
        if few or (len(taps) == 1 and taps[0] <= 64):
            return "direct"
        return "fft"

    def _wraps_by_itself(self) -> bool:
        """Whether an FFT of the array's own size already does what the boundary asks for."""
        fits = all(m <= n for m, n in zip(self.span, self.shape, strict=True))
        return self.boundary == "circular" and self.method == "fft" and fits

    def _extend(self, first: Sequence[int], last: Sequence[int]) -> None:
        """Register which sample of the array stands at each place from first to last."""
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
            # The array's answer lives on outputs -(a + k - 1) ... n - 1 - a, counted from the
            # first.
            sizes.append(fast_size(max(n, n - a, m + a + k - 1, m)))
        return tuple(sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve an array.

        Args:
            x: (*shape[, c]), real or complex.

        Returns:
            (*outputs[, c]).

        Raises:
            ValueError: For an array of another shape.
        """
        d = len(self.shape)
        if tuple(x.shape[:d]) != self.shape or x.ndim > d + 1:
            raise ValueError(
                f"Convolution: the array has shape {tuple(x.shape)}; "
                f"expected {self.shape} (and channels)."
            )
        if x.is_complex():
            return self._of_complex(x)
        if x.ndim > d:
            return self._of_channels(x.movedim(-1, 0)).movedim(0, -1)
        return self._of_channels(x[None])[0]

    def _of_complex(self, x: Tensor) -> Tensor:
        """Real and imaginary parts are channels of their own."""
        if x.ndim == len(self.shape):
            return self._of_complex(x[..., None])[..., 0]
        parts = torch.view_as_real(x).flatten(-2)
        return torch.view_as_complex(self(parts).unflatten(-1, (-1, 2)).contiguous())

    def _of_channels(self, x: Tensor) -> Tensor:
        """(c, *shape) -> (c, *outputs)."""
        if self.extended != self.shape:
            for k in range(len(self.shape)):
                x = x.index_select(k + 1, self.get_buffer(f"place{k}").to(x.device))
        if self.method == "direct":
            return with_adjoint(self._direct, self._direct_adjoint)(x)
        return with_adjoint(self._fft, self._fft_adjoint)(x)

    def _chosen(self) -> tuple[slice, ...]:
        """Index of the outputs among the results at every sample."""
        return (slice(None), *(slice(0, m, s) for m, s in zip(self.span, self.stride, strict=True)))

    def _spread(self, y: Tensor, sizes: tuple[int, ...]) -> Tensor:
        """The adjoint of taking the outputs at the stride: zeros between them."""
        if set(self.stride) == {1}:
            return y
        full = y.new_zeros(len(y), *sizes)
        full[self._chosen()] = y
        return full

    # --- by FFT -----------------------------------------------------------------------------------

    def _transform(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel's FFT, whose first output is sample 0, and its conjugate.

        They are remembered as long as the kernel stays the same.
        """
        key = (like.dtype, like.device, self.kernel._version)
        if key not in self._transforms:
            with torch.inference_mode(False), torch.no_grad():
                full = torch.zeros(self.padded, dtype=torch.float64, device=like.device)
                places = []
                for n, k, a in zip(self.padded, self.kernel.shape, self.first, strict=True):
                    # tap j of output 0 looks at sample a + k - 1 - j
                    places.append((torch.arange(k, device=like.device) - (a + k - 1)) % n)
                index = torch.meshgrid(*places, indexing="ij")
                full.index_put_(index, self.kernel.to(full), accumulate=True)
                transform = torch.fft.rfftn(full).to(like.dtype.to_complex())
            self._transforms = {k: v for k, v in self._transforms.items() if k[2] == key[2]}
            self._transforms[key] = (transform, transform.conj().resolve_conj())
        return self._transforms[key]

    def _fft(self, x: Tensor) -> Tensor:
        transform, _ = self._transform(x)
        full = self._product(x, transform)
        if self.span == self.padded and set(self.stride) == {1}:
            return full
        return full[self._chosen()]

    def _fft_adjoint(self, y: Tensor) -> Tensor:
        _, conjugate = self._transform(y)
        full = self._product(self._spread(y, self.padded), conjugate)
        if self.extended == self.padded:
            return full
        return full[(slice(None), *(slice(n) for n in self.extended))]

    def _product(self, x: Tensor, transform: Tensor) -> Tensor:
        """(c, ...) times the kernel's transform; the FFT pads with zeros."""
        axes = tuple(range(1, x.ndim))
        pad = None if x.shape[1:] == self.padded else self.padded
        return torch.fft.irfftn(
            torch.fft.rfftn(x, s=pad, dim=axes).mul_(transform), s=self.padded, dim=axes
        )

    # --- directly ---------------------------------------------------------------------------------

    def _margins(self) -> list[int]:
        """Samples that are looked at beyond either side of the array; negative inside it."""
        pads = []
        for n, k, a, m in zip(self.extended, self.kernel.shape, self.first, self.span, strict=True):
            pads.append((-a, a + m + k - 1 - n))
        return [side for pair in reversed(pads) for side in pair]  # torch counts axes from the last

    def _direct(self, x: Tensor) -> Tensor:
        kernel = self.kernel.to(x).flip(tuple(range(self.kernel.ndim)))
        return self._correlate(functional.pad(x, self._margins()), kernel, self.stride)

    def _direct_adjoint(self, y: Tensor) -> Tensor:
        y = self._spread(y, self.span)
        around = [k - 1 for k in reversed(self.kernel.shape) for _ in (0, 1)]
        seen = self._correlate(
            functional.pad(y, around), self.kernel.to(y), (1,) * self.kernel.ndim
        )
        return functional.pad(seen, [-side for side in self._margins()])

    def _correlate(self, x: Tensor, kernel: Tensor, stride: tuple[int, ...]) -> Tensor:
        correlate = (functional.conv1d, functional.conv2d, functional.conv3d)[kernel.ndim - 1]
        return correlate(x[:, None], kernel[None, None], stride=stride)[:, 0]


def _given(value: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    """`value`, or the default if it is None, as a tuple."""
    if value is None:
        return tuple(default)
    return tuple(value)
