"""The points of a radar scene, and the factors of their echoes: amplitude and carrier.

    factor_p(x) = a_p(x) exp(sign · j 2π turns(tau_p(x)))

a_p is 1 / (R_T R_R) by default, times antenna patterns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inverse_inr import Box, Grid, phases
from inverse_inr.operators.radar.amplitudes import Pattern, Spreading, cell_amplitude, spread
from inverse_inr.operators.radar.delay import DelayTransform
from inverse_inr.operators.radar.geometry import SPEED_OF_LIGHT, RadarGeometry
from inverse_inr.operators.radar.kernel import TiledKernel
from inverse_inr.operators.radar.kinds import Basis, Degree
from inverse_inr.operators.radar.precision import phasor
from inverse_inr.operators.radar.tones import Tones
from inverse_inr.ranges import Positive, checked


class Scatterers(TiledKernel):
    """Points seen by each pulse of a radar; `RadarOperator` describes the parameters."""

    places: Tensor | None
    matrix: Tensor | None

    @checked
    def __init__(
        self,
        box: Box,
        geometry: RadarGeometry,
        transform: DelayTransform,
        *,
        points: Grid | Tensor | None = None,
        basis: Basis = "point",
        spreading: Spreading = "product",
        pattern: Pattern | None = None,
        degree: Degree = 0,
        shortest: Positive | None = None,
    ) -> None:
        super().__init__((len(geometry),))
        self.wavelength = SPEED_OF_LIGHT / transform.carrier
        geometry.check(box, self.wavelength)
        self.box = box
        self.geometry = geometry
        self.transform = transform
        self.basis = basis
        self.spreading: Spreading = spreading
        self.pattern = pattern
        self.degree = degree
        if points is None:
            points = _quarter_waves(box, self.wavelength if shortest is None else shortest)
        self._place(points)
        self.register_buffer("matrix", None, persistent=False)

    def _place(self, points: Grid | Tensor) -> None:
        """Look at a grid or at (n, 3) places from now on."""
        name = type(self).__name__
        self.where = points if isinstance(points, Grid) else None
        if self.basis == "cell" and self.where is None:
            raise ValueError(f"{name}: basis='cell' needs voxels; pass points=Grid(...).")
        self.register_buffer("places", None, persistent=False)
        if isinstance(points, Grid):
            return
        if points.ndim != 2 or points.shape[1] != 3 or not bool(torch.isfinite(points).all()):
            raise ValueError(
                f"{name}: points must be finite (n, 3), got shape {tuple(points.shape)}."
            )
        self.places = nn.Buffer(points.detach().double().clone(), persistent=False)

    @property
    def points(self) -> Tensor:
        """Points of the scene: (n, 3) in metres, float64.

        A grid may be large, so its points are made when they are asked for.
        """
        if self.places is not None:
            return self.places
        assert self.where is not None
        return self.where.points(torch.float64, self.geometry.transmitters.device).reshape(-1, 3)

    @property
    def size(self) -> int:
        """Number of points of the scene."""
        if self.where is None:
            return len(self.points)
        return self.where.numel

    def carrier(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The factor conj(a_p(x) exp(j 2π turns)), as for sign +1, and relative paths.

        Args:
            points: (n, 3) in metres.
            rows: (b,) numbers of pulses.
            dtype: The factor has its precision.

        Returns:
            The factor (b, n), complex, and paths (b, n) in metres, float64.
        """
        factor, delay = self._factor(points, rows, dtype)
        if self.geometry.sign > 0:
            factor = factor.conj().resolve_conj()
        return factor, delay * SPEED_OF_LIGHT

    def _factor(self, points: Tensor, rows: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """a_p(x) exp(sign · j 2π turns), (b, n) in `dtype`'s precision, and delays in s."""
        to, back = self.geometry.ranges(points, rows)
        reference = self.geometry.reference_path[rows, None]
        delay = (to + back - reference) / SPEED_OF_LIGHT
        turns = self.transform.turns(delay, reference / SPEED_OF_LIGHT)
        factor = self._signed(phasor(turns, dtype))
        if self.spreading == "none" and self.pattern is None and self.basis == "point":
            return factor, delay
        return factor * self._amplitude(points, rows, to, back, dtype.to_real()), delay

    def _waves(self, rows: Tensor, like: Tensor) -> phases.Waves | None:
        parts = like
        if like.is_complex():
            parts = torch.view_as_real(like)
        tones = self.transform
        if not isinstance(tones, Tones) or not phases.usable(parts) or tones.quick_for(self.size):
            return None
        if self.pattern is not None or self.basis != "point":
            return None
        geometry = self.geometry
        if type(geometry) is not RadarGeometry:  # plane waves have other paths
            return None
        amplitude = None
        if self.spreading != "none":
            amplitude = spread(
                self.spreading, *geometry.ranges(self.points, rows), torch.float32
            ).expand(len(rows), self.size)
        return phases.Waves(
            self.points,
            geometry.transmitters[rows],
            geometry.receivers[rows],
            geometry.reference_path[rows],
            tones.frequencies,
            tones.slope,
            geometry.sign,
            amplitude,
        )

    def _amplitude(
        self, points: Tensor, rows: Tensor, to: Tensor, back: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """a_p(x): spreading, the extent of voxels and the antenna pattern, (b, n)."""
        amplitude = spread(self.spreading, to, back, dtype)
        if self.pattern is None and self.basis == "point":
            return amplitude
        transmitters = self.geometry.transmitters[rows][:, None]
        receivers = self.geometry.receivers[rows][:, None]
        outward = nn.functional.normalize(points - transmitters, dim=-1)
        homeward = nn.functional.normalize(points - receivers, dim=-1)
        if self.basis == "cell":
            assert self.where is not None
            cell = cell_amplitude((outward, homeward), self.where.spacing, self.wavelength)
            amplitude = amplitude * cell.to(dtype)
        if self.pattern is not None:
            middle = nn.functional.normalize(outward + homeward, dim=-1)
            amplitude = amplitude * self.pattern(rows, middle).to(dtype)
        return amplitude

    @property
    def _where(self) -> Grid | Tensor:
        return self.points if self.where is None else self.where


def _quarter_waves(box: Box, wavelength: float) -> Grid:
    """Voxels of about a quarter of a wavelength (m) on a box."""
    pitch = 0.25 * wavelength
    return Grid(box, tuple(max(1, round(n / pitch)) for n in box.lengths))
