"""Synthetic-aperture radar: phase history, range profiles, and the far-field Fourier form.

    y_p(f) = Σ_x sigma(x) a_p(x) exp{ sign · j 2π f / c · ( |x - t_p| + |x - r_p| - reference_p ) }

with sign -1 for SAR files (GOTCHA, CV Domes). In the far field |x - a| - |a| ≈ -u·x, and each pulse is a line of the
scene's three-dimensional spatial spectrum along u (projection-slice theorem).
"""

from __future__ import annotations

import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators.delay import Tones
from inverse_inr.operators.radar import Pattern, RadarOperator, Spreading
from inverse_inr.operators.radar_geometry import SPEED_OF_LIGHT, RadarGeometry


class PhaseHistory(RadarOperator):
    """Stepped or deramped phase history: (P, K) complex at `frequencies` (K,) in Hz, ascending; rows are pulses.

    `spreading` is "none" by default: SAR data are calibrated to the scene's centre. Keywords of `RadarOperator`.
    Raises ValueError for frequencies that do not ascend, and for a box wider than the unambiguous swath c / 2 df.
    """

    def __init__(self, box: Box, geometry: RadarGeometry, frequencies: Tensor, *, points: Grid | Tensor | None = None,
                 basis: str = "point", spreading: Spreading = "none", pattern: Pattern | None = None,
                 degree: int = 0) -> None:  # fmt: skip
        if frequencies.dtype == torch.float32 and len(frequencies) > 1:
            frequencies = exact_frequencies(frequencies)
        tones = Tones(frequencies)
        geometry.check(box, SPEED_OF_LIGHT / float(frequencies[-1]))
        if len(frequencies) > 1:
            near, far = geometry.path_limits(box)
            spans, swath = 0.5 * float((far - near).max()), SPEED_OF_LIGHT / (2 * float(frequencies.diff().max()))
            if spans >= swath:
                raise ValueError(
                    f"The box spans ranges of {spans:.4g} m, beyond the unambiguous swath c / 2 df = {swath:.4g} m: "
                    "echoes would fold over. A smaller box, or finer frequency steps?"
                )
        super().__init__(box, geometry, tones, points=points, basis=basis, spreading=spreading, pattern=pattern,
                         degree=degree, shortest=SPEED_OF_LIGHT / float(frequencies[-1]))  # fmt: skip

    @property
    def frequencies(self) -> Tensor:
        assert isinstance(self.transform, Tones)
        return self.transform.frequencies


def exact_frequencies(frequencies: Tensor) -> Tensor:
    """Frequencies that a file rounded to float32, in float64: on the uniform grid that they round, where there is one.

    At 10 GHz a float32 step is 1 kHz: the rounded grid is off by 0.4 rad on a path of 10 km.
    """
    f = frequencies.double()
    even = torch.linspace(float(f[0]), float(f[-1]), len(f), dtype=torch.float64)
    step = torch.finfo(torch.float32).eps * float(f.abs().max())
    return even if bool((f.cpu() - even).abs().max() <= 1.5 * step) else f
