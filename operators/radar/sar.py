"""Synthetic-aperture radar: phase history, and its far-field Fourier form.

    y_p(f) = Σ_x sigma(x) a_p(x) exp{ sign · j 2π f / c · ( |x - t_p| + |x - r_p| - reference_p ) }

with sign -1 for SAR files (GOTCHA, CV Domes). In the far field |x - a| - |a| ≈ -u·x, and each pulse
is a line of the scene's three-dimensional spatial spectrum along u (projection-slice theorem).
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from inverse_inr import Box, Grid
from inverse_inr.io import uniform_where_rounded
from inverse_inr.operators.radar.amplitudes import Pattern, Spreading
from inverse_inr.operators.radar.frequency_steps import ambiguity_step, check_ascending
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.kinds import Basis, Degree
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.operators.radar.plane_waves import PlaneWaves
from inverse_inr.operators.radar.tones import Tones
from inverse_inr.operators.radar.unit_checks import check_frequency, check_reference
from inverse_inr.ranges import Positive, checked


class PhaseHistory(RadarOperator):
    """Stepped or deramped phase history: rows are pulses of K complex values each.

    Args:
        box: The scene's box in metres.
        geometry: Antennas of each pulse.
        frequencies: (K,) in Hz, ascending; they may be uneven, e.g. notched against interference.
        points: As in `RadarOperator`.
        basis: As in `RadarOperator`.
        spreading: As in `RadarOperator`; "none" by default, since SAR data are calibrated to the
            scene's centre.
        pattern: As in `RadarOperator`.
        degree: As in `RadarOperator`.

    Raises:
        ValueError: If frequencies do not ascend or are no radar's, the box is wider than the
            unambiguous swath c / 2 df of their finest common step, or the reference path is in
            another unit than the box; and as `RadarGeometry.check`.
    """

    @checked
    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        frequencies: Tensor,
        *,
        points: Grid | Tensor | None = None,
        basis: Basis = "point",
        spreading: Spreading = "none",
        pattern: Pattern | None = None,
        degree: Degree = 0,
    ) -> None:
        frequencies = uniform_where_rounded(frequencies)
        tones = Tones(frequencies)
        check_ascending(frequencies)
        _check_highest(frequencies)
        geometry.check(box, SPEED_OF_LIGHT / float(frequencies[-1]))
        if len(frequencies) > 1:
            _check_swath(box, geometry, ambiguity_step(frequencies))
        super().__init__(
            box,
            geometry,
            tones,
            points=points,
            basis=basis,
            spreading=spreading,
            pattern=pattern,
            degree=degree,
            shortest=SPEED_OF_LIGHT / float(frequencies[-1]),
        )

    @property
    def frequencies(self) -> Tensor:
        """Frequencies of the columns: (K,) in Hz, float64."""
        assert isinstance(self.transform, Tones)
        return self.transform.frequencies


def _check_swath(box: Box, geometry: RadarGeometry, df: float) -> None:
    """Raise ValueError where the box's ranges span more than the unambiguous swath of steps df."""
    near, far = geometry.path_limits(box)
    spans = 0.5 * float((far - near).max())
    swath = SPEED_OF_LIGHT / (2 * df)
    if spans >= swath:
        raise ValueError(
            f"The box spans ranges of {spans:.4g} m, beyond the unambiguous swath c / 2 df = "
            f"{swath:.4g} m: echoes would fold over. A smaller box, or finer frequency steps?"
        )
    middle = float((0.5 * (near + far)).mean())
    check_reference(middle, float(geometry.reference_path.mean()), swath)


def _check_highest(frequencies: Tensor) -> None:
    """Raise ValueError where the highest frequency is none that a radar sends."""
    highest = float(frequencies[-1])
    if highest == 0:
        raise ValueError("PhaseHistory: the highest frequency is 0 Hz: there are no waves.")
    check_frequency("PhaseHistory: the highest frequency", highest)


class FarField(PhaseHistory):
    """Phase history of plane waves: each pulse is a line of the scene's 3-D spatial spectrum.

        y_p(f) = exp(sign · j 2π f / c · (L_p(c) - reference)) Σ_x sigma(x) exp(-j k_p(f)·(x - c)),
        k_p(f) = sign · 2π f / c · (u_t + u_r)

    with c the box's centre (projection-slice theorem). A pulse's line is a one-dimensional
    non-uniform FFT of delays.

    Args:
        box: The scene's box in metres.
        geometry: Antennas of each pulse; they are not learnt here.
        frequencies: (K,) in Hz, ascending.
        tolerance: Phase error in rad that the wavefront's curvature may cause.
        points: As in `RadarOperator`.
        basis: As in `RadarOperator`.
        spreading: As in `RadarOperator`, but "none" by default.
        pattern: As in `RadarOperator`.
        degree: As in `RadarOperator`.

    Raises:
        ValueError: If the curvature over the box, 2π f h² / (c R), is more than `tolerance`; and as
            `PhaseHistory`.
    """

    @checked
    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        frequencies: Tensor,
        *,
        tolerance: Positive = 0.5,
        points: Grid | Tensor | None = None,
        basis: Basis = "point",
        spreading: Spreading = "none",
        pattern: Pattern | None = None,
        degree: Degree = 0,
    ) -> None:
        check_ascending(frequencies)
        waves = PlaneWaves(geometry, box.center)
        highest = float(frequencies[-1])
        error = waves.curvature(0.5 * max(box.lengths), highest)
        if error > tolerance:
            raise ValueError(
                f"FarField: plane waves are wrong by up to {error:.3g} rad over this box at "
                f"{highest / 1e9:.4g} GHz, more than tolerance={tolerance}. A smaller box, or "
                "PhaseHistory, which is exact."
            )
        super().__init__(
            box,
            waves,
            frequencies,
            points=points,
            basis=basis,
            spreading=spreading,
            pattern=pattern,
            degree=degree,
        )

    def wavenumbers(self) -> Tensor:
        """k_p(f), where each sample lies in the scene's spectrum: (P, K, 3) in rad/m."""
        middle = self.geometry.transmitters.new_tensor(self.box.center)
        units = [
            nn.functional.normalize(a - middle, dim=-1)
            for a in (self.geometry.transmitters, self.geometry.receivers)
        ]
        turns = self.geometry.sign * 2 * math.pi * self.frequencies / SPEED_OF_LIGHT
        return turns[:, None] * (units[0] + units[1])[:, None]
