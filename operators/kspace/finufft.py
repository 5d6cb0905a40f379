"""The NUFFT of the finufft library, in the place of our own gridding.

Plans are made once for each precision and number of images, and kept: making one costs several
transforms.

Source:
    Barnett, Magland & af Klinteberg 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import with_adjoint
from inverse_inr.ranges import Count, ProperFraction, checked

COARSE = 1e-6
"""Tolerance that a small grid (upsampling 1.25) meets in single precision, several times faster."""

FINEST = 1e-12
"""Tolerance in double precision, unless a smaller one is asked for."""


class Finufft(nn.Module):
    """A NUFFT on the CPU, in the form of `kernels.gridding.Gridding`.

    Args:
        shape: Shape of the images.
        frequencies: (m, d) in cycles per pixel.
        scale: (m,) complex factors of the results; default one.
        tolerance: Relative error asked for in single precision.

    Raises:
        ImportError: Without the package finufft (extra `mri`).
    """

    @checked
    def __init__(
        self,
        shape: Sequence[Count],
        frequencies: np.ndarray,
        *,
        scale: np.ndarray | None = None,
        tolerance: ProperFraction = 2e-5,
    ) -> None:
        super().__init__()
        try:
            import finufft  # noqa: F401
        except ImportError:
            raise ImportError(
                "backend='finufft' needs the package finufft: pip install 'inverse-inr[mri]'."
            ) from None
        self.shape = tuple(shape)
        self.tolerance = tolerance
        self.angles = [
            2 * np.pi * np.ascontiguousarray(frequencies[:, a]) for a in range(frequencies.shape[1])
        ]
        middle = [(n - 1) / 2 - n // 2 for n in self.shape]
        phase = np.exp(2j * np.pi * (frequencies @ np.array(middle)))
        if scale is not None:
            phase = phase * scale
        self.phase = nn.Buffer(torch.view_as_real(torch.from_numpy(phase)), persistent=False)
        self._plans: dict[tuple[int, str, int], Any] = {}

    def forward(self, image: Tensor) -> Tensor:
        """Transform images.

        Args:
            image: (*batch, *shape) complex, on the CPU.

        Returns:
            (*batch, m) complex.

        Raises:
            RuntimeError: For images on a GPU.
        """
        if image.device.type != "cpu":
            raise RuntimeError(
                f"backend='finufft' runs on the CPU, the image is on {image.device}. Use 'torch'."
            )
        batch = image.shape[: image.ndim - len(self.shape)]
        kind = image.dtype.to_complex()
        flat = image.to(kind).reshape(math.prod(batch), *self.shape)
        values = with_adjoint(self._transform, self._adjoint)(flat)
        phase = torch.view_as_complex(self.phase.to(kind.to_real()))
        return (values * phase).reshape(*batch, -1)

    def _transform(self, x: Tensor) -> Tensor:
        return self._run(2, x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._run(1, y)

    def _run(self, kind: int, x: Tensor) -> Tensor:
        """A transform of finufft's type 1 (values to images) or 2 (images to values)."""
        array = np.ascontiguousarray(x.detach().resolve_conj().numpy())
        plan = self._plan(kind, array.dtype.name, len(array))
        if len(array) > 1:
            return torch.from_numpy(plan.execute(array))
        return torch.from_numpy(plan.execute(array[0])[None])  # one image has no batch axis

    def _plan(self, kind: int, dtype: str, count: int) -> Any:
        key = (kind, dtype, count)
        if key not in self._plans:
            self._plans[key] = self._new_plan(kind, dtype, count)
        return self._plans[key]

    def _new_plan(self, kind: int, dtype: str, count: int) -> Any:
        import finufft

        options: dict[str, Any] = {}
        if dtype == "complex64":
            real = "float32"
            tolerance = self.tolerance
            if tolerance >= COARSE:
                options["upsampfac"] = 1.25
        else:
            real = "float64"
            tolerance = min(self.tolerance, FINEST)
        plan = finufft.Plan(
            kind,
            self.shape,
            n_trans=count,
            eps=tolerance,
            isign={1: 1, 2: -1}[kind],
            dtype=dtype,
            nthreads=torch.get_num_threads(),
            **options,
        )
        plan.setpts(*(a.astype(real) for a in self.angles))
        return plan

    def __deepcopy__(self, memo: dict[int, object]) -> Finufft:
        """A copy without plans, which are handles of the library and are made anew."""
        copy = Finufft.__new__(Finufft)
        nn.Module.__init__(copy)
        copy.shape = self.shape
        copy.tolerance = self.tolerance
        copy.angles = self.angles
        copy._plans = {}
        copy.phase = nn.Buffer(self.phase.clone(), persistent=False)
        memo[id(self)] = copy
        return copy
