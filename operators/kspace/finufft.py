"""The NUFFT of the finufft library (Barnett, Magland & af Klinteberg 2019) in the place of our own gridding.

Plans are made once for each precision and number of images, and kept: making one costs several transforms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr import with_adjoint


class Finufft(nn.Module):
    """As `kernels.gridding.Gridding`: (*batch, *shape) complex images -> (*batch, m), on the CPU.

    tolerance  relative error asked for; 1e-6 and more is met by a small grid (upsampling 1.25), several times faster
    Raises ImportError without finufft (extra `mri`), RuntimeError for images on a GPU.
    """

    def __init__(
        self,
        shape: Sequence[int],
        frequencies: np.ndarray,
        *,
        scale: np.ndarray | None = None,
        tolerance: float = 2e-5,
    ) -> None:
        super().__init__()
        try:
            import finufft  # noqa: F401
        except ImportError:
            raise ImportError(
                "backend='finufft' needs the package finufft: pip install 'inverse-inr[mri]'."
            ) from None
        self.shape, self.tolerance = tuple(shape), tolerance
        self.angles = [
            2 * np.pi * np.ascontiguousarray(frequencies[:, a]) for a in range(frequencies.shape[1])
        ]
        middle = [(n - 1) / 2 - n // 2 for n in self.shape]
        phase = np.exp(2j * np.pi * (frequencies @ np.array(middle))) * (
            1.0 if scale is None else scale
        )
        self.phase = nn.Buffer(torch.view_as_real(torch.from_numpy(phase)), persistent=False)
        self._plans: dict[tuple[int, str, int], Any] = {}

    def forward(self, image: Tensor) -> Tensor:
        if image.device.type != "cpu":
            raise RuntimeError(
                f"backend='finufft' runs on the CPU, the image is on {image.device}. Use 'torch'."
            )
        batch = image.shape[: image.ndim - len(self.shape)]
        kind = image.dtype.to_complex()
        flat = image.to(kind).reshape(math.prod(batch), *self.shape)
        values = with_adjoint(lambda x: self._run(2, x), lambda y: self._run(1, y))(flat)
        phase = torch.view_as_complex(self.phase.to(kind.to_real()))
        return (values * phase).reshape(*batch, -1)

    def _run(self, kind: int, x: Tensor) -> Tensor:
        array = np.ascontiguousarray(x.detach().resolve_conj().numpy())
        result = self._plan(kind, array.dtype.name, len(array)).execute(
            array if len(array) > 1 else array[0]
        )
        return torch.from_numpy(result if len(array) > 1 else result[None])

    def _plan(self, kind: int, dtype: str, count: int) -> Any:
        key = (kind, dtype, count)
        if key not in self._plans:
            import finufft

            coarse = self.tolerance >= 1e-6 and dtype == "complex64"
            tolerance = self.tolerance if dtype == "complex64" else min(self.tolerance, 1e-12)
            plan = finufft.Plan(
                kind,
                self.shape,
                n_trans=count,
                eps=tolerance,
                isign=-1 if kind == 2 else 1,
                dtype=dtype,
                nthreads=torch.get_num_threads(),
                **({"upsampfac": 1.25} if coarse else {}),
            )
            plan.setpts(
                *(a.astype("float32" if dtype == "complex64" else "float64") for a in self.angles)
            )
            self._plans[key] = plan
        return self._plans[key]

    def __deepcopy__(self, memo: dict[int, object]) -> Finufft:
        copy = Finufft.__new__(
            Finufft
        )  # a plan is a handle of the library: made anew where it is needed
        nn.Module.__init__(copy)
        copy.shape, copy.tolerance, copy.angles, copy._plans = (
            self.shape,
            self.tolerance,
            self.angles,
            {},
        )
        copy.phase = nn.Buffer(self.phase.clone(), persistent=False)
        memo[id(self)] = copy
        return copy
