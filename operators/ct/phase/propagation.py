"""Propagation-based phase contrast: an X-ray wave behind an object, some way down the beam.

    T = exp(-m/2 - iφ)      m = ∫ μ      φ = ∫ k δ
    I_z = | F⁻¹[ exp(-iπ λ z f²) F[T] ] |²                      Fresnel
    I_z = I_0 + λz/2π ∇·(I_0 ∇φ)                                its limit at short distances

μ is the attenuation, δ the decrement of the refractive index, k = 2π/λ. The second line is the
transport of intensity. For a point source, z is the effective distance (that of the object's planes
divided by the magnification) and the pitch is that in the object.
Sources: Paganin, Coherent X-Ray Optics, 2006, sections 1.3 and 4.4; Teague, JOSA 73 (1983).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from inverse_inr import Operator
from inverse_inr.operators.ct.beam.around import Pitch, WholeViews, natural_shape
from inverse_inr.operators.ct.beam.materials import KEV_ANGSTROM
from inverse_inr.operators.ct.ray_transform import geometry_parameter
from inverse_inr.ranges import Count, FiniteTensor, Positive, checked

DARKEST = 1e-6
"""The least intensity that is told from none."""
MARGIN = 0.5
"""How far views are continued at each edge, as a part of their size, before they propagate."""

Model = Literal["fresnel", "transport"]
"""Fresnel propagation, or its limit at short distances, the transport of intensity."""


class PhaseContrast(WholeViews):
    """A ray transform of attenuation and phase, seen at several distances behind the object.

    It predicts minus the log of intensities, (views, distances, *detector), as
    `noise.Poisson(photons)` takes them. The channels of the field are the attenuation μ and the
    phase per length divided by `ratio`/2: both are 1/length, and equal where δ/β = `ratio`. Where
    they are `joined`, there is one channel, and the ratio holds everywhere.

    Args:
        operator: Line integrals of shape (views, *detector), with `gather` bins for each pixel
            along the last axis.
        distances: (z,) from the object, in the unit of the pitch.
        wavelength: In the unit of the pitch.
        pitch: Width of a bin of `operator`.
        ratio: δ/β; an `nn.Parameter` is learnt.
        joined: Whether the field is one channel.
        gather: Neighbouring bins along the last axis whose intensities are averaged into a pixel.
        model: "fresnel", or "transport" for the transport of intensity.

    Raises:
        ValueError: A distance is negative, the ratio is not one positive number, or the bins are no
            multiple of `gather`.
    """

    @checked
    def __init__(
        self,
        operator: Operator,
        distances: FiniteTensor,
        wavelength: Positive,
        pitch: Pitch,
        *,
        ratio: Positive | Tensor = 1.0,
        joined: bool = False,
        gather: Count = 1,
        model: Model = "fresnel",
    ) -> None:
        shape = natural_shape(operator)
        if distances.ndim != 1 or not len(distances) or not bool((distances >= 0).all()):
            raise ValueError(
                "PhaseContrast: distances must be a (z,) tensor of numbers of at least 0, got "
                f"{distances}."
            )
        if shape[-1] % gather:
            raise ValueError(
                f"PhaseContrast: the operator has {shape[-1]} bins, no multiple of gather={gather}."
            )
        pixels = (*shape[1:-1], shape[-1] // gather)
        super().__init__(operator, (shape[0], len(distances), *pixels))
        self.ratio = geometry_parameter(ratio, "PhaseContrast: ratio", torch.get_default_dtype())
        if self.ratio.numel() != 1 or not bool(self.ratio.detach() > 0):
            raise ValueError(f"PhaseContrast: ratio must be one positive number, got {ratio}.")
        self.distances = nn.Buffer(distances.detach().to(torch.get_default_dtype()))
        self.wavelength = wavelength
        self.pitch = pitch
        self.joined = joined
        self.gather = gather
        self.model = model

    @property
    def channels(self) -> int:
        """The number of channels of the field."""
        return 2 - self.joined

    def detect(self, views: Tensor, numbers: Tensor) -> Tensor:
        attenuation, phase = self.projections(views[:, 0])
        if self.model == "fresnel":
            light = fresnel(attenuation, phase, self.distances, self.wavelength, self.pitch)
        else:
            light = transported(attenuation, phase, self.distances, self.wavelength, self.pitch)
        light = light.unflatten(-1, (-1, self.gather)).mean(-1)
        return -light.clamp(min=DARKEST).log()

    def projections(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """The attenuation and the phase that line integrals of the field stand for.

        Args:
            views: (n, *detector, 2), or (n, *detector) of a joined field.

        Returns:
            Attenuation m without unit and phase φ in radians, (n, *detector) each.
        """
        half = 0.5 * self.ratio.to(views.dtype)
        if self.joined:
            return views, half * views
        if views.shape[-1] != 2:
            raise ValueError(
                f"PhaseContrast: the field has {views.shape[-1]} channels; it must have two, the "
                "attenuation and the phase. One field for both: joined=True."
            )
        return views[..., 0], half * views[..., 1]


@checked
def wavelength(energy: Positive) -> float:
    """The wavelength of photons.

    Args:
        energy: In keV.

    Returns:
        In micrometres.
    """
    return 1e-4 * KEV_ANGSTROM / energy


def fresnel(
    attenuation: Tensor, phase: Tensor, distances: Tensor, wavelength: float, pitch: float
) -> Tensor:
    """Intensities at some distances, by Fresnel propagation.

    Args:
        attenuation: (n, *detector) line integrals of μ.
        phase: (n, *detector) in radians.
        distances: (z,) in the unit of the pitch.
        wavelength: In the unit of the pitch.
        pitch: Width of a bin.

    Returns:
        (n, z, *detector) as parts of the intensity without an object.
    """
    axes = tuple(range(1, attenuation.ndim))
    attenuation, phase = continued(attenuation), continued(phase)
    wave = torch.polar(torch.exp(-0.5 * attenuation), -phase)
    square = squared_frequency(wave.shape[1:], pitch, attenuation)
    spectrum = torch.fft.fftn(wave, dim=axes)
    seen = []
    for distance in distances.to(attenuation):
        turn = -math.pi * wavelength * distance * square
        moved = torch.fft.ifftn(spectrum * torch.polar(torch.ones_like(turn), turn), dim=axes)
        seen.append(cut(moved.real.square() + moved.imag.square()))
    return torch.stack(seen, 1)


def transported(
    attenuation: Tensor, phase: Tensor, distances: Tensor, wavelength: float, pitch: float
) -> Tensor:
    """Intensities at some distances, by the transport of intensity, which is linear in distance.

    Args:
        attenuation: (n, *detector) line integrals of μ.
        phase: (n, *detector) in radians.
        distances: (z,) in the unit of the pitch.
        wavelength: In the unit of the pitch.
        pitch: Width of a bin.

    Returns:
        (n, z, *detector) as parts of the intensity without an object; it may be negative where the
        distance is too long.
    """
    light = torch.exp(-continued(attenuation))
    angle = continued(phase)
    divergence = torch.zeros_like(light)
    for axis in range(1, light.ndim):
        divergence = divergence + _slope(light * _slope(angle, axis, pitch), axis, pitch)
    factors = distances.to(light) * (wavelength / (2 * math.pi))
    return torch.stack([cut(light + factor * divergence) for factor in factors], 1)


def squared_frequency(shape: tuple[int, ...], pitch: float, like: Tensor) -> Tensor:
    """|f|² of the discrete Fourier transform.

    Args:
        shape: The axes that are transformed.
        pitch: Width of a bin.
        like: A tensor whose dtype and device count.

    Returns:
        (*shape), in cycles per length, squared.
    """
    total = like.new_zeros(())
    for axis, count in enumerate(shape):
        f = torch.fft.fftfreq(count, pitch, dtype=like.dtype, device=like.device)
        total = total + f.square().reshape(-1, *(1,) * (len(shape) - axis - 1))
    return total


def continued(views: Tensor) -> Tensor:
    """Continue views beyond the detector's edges as they are there.

    Args:
        views: (n, *detector).

    Returns:
        (n, *wider).
    """
    for axis in range(1, views.ndim):
        count = views.shape[axis]
        margin = _margin(count)
        place = torch.arange(-margin, count + margin, device=views.device).clamp(0, count - 1)
        views = views.index_select(axis, place)
    return views


def cut(views: Tensor) -> Tensor:
    """Take what `continued` added off again.

    Args:
        views: (n, *wider).

    Returns:
        (n, *detector).
    """
    for axis in range(1, views.ndim):
        wide = views.shape[axis]
        count = next(n for n in range(wide, 0, -1) if n + 2 * _margin(n) == wide)
        views = views.narrow(axis, _margin(count), count)
    return views


def _margin(count: int) -> int:
    return max(1, int(MARGIN * count))


def _slope(values: Tensor, axis: int, pitch: float) -> Tensor:
    """The derivative along an axis, by the Fourier series of the periodic continuation."""
    count = values.shape[axis]
    frequency = torch.fft.rfftfreq(count, pitch, dtype=values.dtype, device=values.device)
    if count % 2 == 0:
        frequency = frequency * (torch.arange(len(frequency), device=values.device) < count // 2)
    shape = [1] * values.ndim
    shape[axis] = -1
    turned = 2j * math.pi * frequency.reshape(shape)
    return torch.fft.irfft(torch.fft.rfft(values, dim=axis) * turned, count, dim=axis)
