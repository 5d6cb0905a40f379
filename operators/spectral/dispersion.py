"""Dispersion: how far a prism or grating moves each wavelength on the detector, in pixels.

Each law is a module that maps wavelengths (nm) to shifts (px). Coefficients that are given as
`nn.Parameter` are learnt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from inverse_inr.ranges import Count, Finite, Positive, checked

TSA_WAVELENGTHS = (
    453.5,
    457.5,
    462.0,
    466.0,
    471.5,
    476.5,
    481.5,
    487.0,
    492.5,
    498.0,
    504.0,
    510.0,
    516.0,
    522.5,
    529.5,
    536.5,
    544.0,
    551.5,
    558.5,
    567.5,
    575.5,
    584.5,
    594.5,
    604.0,
    614.5,
    625.0,
    636.5,
    648.0,
)
"""Band centres in nm of the TSA-Net camera (Meng et al. 2020): 28 bands, 2 px apart."""

Numbers = Tensor | Sequence[float]
"""Numbers of a law: a tensor of one axis, a list or a tuple."""

Glass = tuple[tuple[float, ...], tuple[float, ...]]
"""Sellmeier coefficients (B, C) of a glass: B without unit, C in µm²."""

BK7: Glass = ((1.03961212, 0.231792344, 1.01046945), (0.00600069867, 0.0200179144, 103.560653))
"""Sellmeier coefficients of Schott N-BK7 (data sheet)."""


class Table(nn.Module):
    """Shifts in a table, linear between its wavelengths and beyond them.

    Args:
        wavelengths: (n,) in nm, rising.
        shifts: (n,) in px.

    Raises:
        ValueError: If they disagree in number, wavelengths do not rise, or shifts hold NaN or Inf.
    """

    wavelengths: Tensor
    shifts: Tensor

    @checked
    def __init__(self, wavelengths: Numbers, shifts: Numbers) -> None:
        super().__init__()
        knots = torch.as_tensor(wavelengths, dtype=torch.float64)
        count = torch.as_tensor(shifts).shape
        if knots.ndim != 1 or not len(knots) or count != knots.shape:
            raise ValueError(
                f"Table: wavelengths {tuple(knots.shape)} and shifts {tuple(count)}; (n,) of each, "
                "n at least 1."
            )
        if not bool((knots.diff() > 0).all()):
            raise ValueError(f"Table: wavelengths must rise, got {knots[:4].tolist()}...")
        self.wavelengths = nn.Buffer(knots)
        self.shifts = _coefficients(shifts, "Table: shifts")

    def forward(self, wavelengths: Tensor) -> Tensor:
        """Return shifts in px at wavelengths in nm, (*s) -> (*s)."""
        knots = self.wavelengths.to(wavelengths)
        if len(knots) == 1:
            return self.shifts.to(wavelengths).expand_as(wavelengths)
        k = torch.searchsorted(knots, wavelengths.contiguous()).clamp(1, len(knots) - 1)
        t = (wavelengths - knots[k - 1]) / (knots[k] - knots[k - 1])
        shifts = self.shifts.to(wavelengths)
        return torch.lerp(shifts[k - 1], shifts[k], t)


class Polynomial(nn.Module):
    """A polynomial in wavelength.

        Σ_k coefficients[k] ((λ - reference) / 100 nm)^k

    Args:
        coefficients: (n,) in px. Coefficient 1 is that of a grating.
        reference: Wavelength in nm from which the polynomial counts.
    """

    coefficients: Tensor

    @checked
    def __init__(self, coefficients: Numbers, reference: Positive = 450.0) -> None:
        super().__init__()
        self.coefficients = _coefficients(coefficients, "Polynomial: coefficients")
        self.reference = float(reference)

    def forward(self, wavelengths: Tensor) -> Tensor:
        """Return shifts in px at wavelengths in nm, (*s) -> (*s)."""
        t = (wavelengths - self.reference) / 100
        return _power_series(self.coefficients, t)


class Cauchy(nn.Module):
    """A thin prism whose index follows Cauchy's equation a + b/λ² + c/λ⁴.

        coefficients[0] + coefficients[1] u + coefficients[2] u² + ...,   u = (reference / λ)²

    Args:
        coefficients: (n,) in px.
        reference: Wavelength in nm at which u = 1.
    """

    coefficients: Tensor

    @checked
    def __init__(self, coefficients: Numbers, reference: Positive = 500.0) -> None:
        super().__init__()
        self.coefficients = _coefficients(coefficients, "Cauchy: coefficients")
        self.reference = float(reference)

    @classmethod
    @checked
    def fit(
        cls, wavelengths: Numbers, shifts: Numbers, terms: Count = 3, reference: Positive = 500.0
    ) -> Cauchy:
        """Return the least-squares law through measured shifts.

        Args:
            wavelengths: (m,) in nm.
            shifts: (m,) in px.
            terms: Number of coefficients.
            reference: Wavelength in nm at which u = 1.
        """
        u = (reference / torch.as_tensor(wavelengths, dtype=torch.float64)) ** 2
        powers = torch.stack([u**k for k in range(terms)], -1)
        measured = torch.as_tensor(shifts).double()[:, None]
        return cls(torch.linalg.lstsq(powers, measured).solution[:, 0], reference)

    def forward(self, wavelengths: Tensor) -> Tensor:
        """Return shifts in px at wavelengths in nm, (*s) -> (*s)."""
        u = (self.reference / wavelengths) ** 2
        return _power_series(self.coefficients, u)


class ThinPrism(nn.Module):
    """A thin prism, which deviates light by (n - 1) · apex, with n by Sellmeier's equation.

        focal · apex · (n(reference) - n(λ)) / pitch

    Args:
        apex: Angle of the prism in radians.
        focal: Focal length of the lens behind the prism, in the unit of `pitch`.
        pitch: Width of a detector pixel, in the unit of `focal`.
        reference: Wavelength in nm that is not shifted.
        glass: Sellmeier coefficients (B, C), C in µm².

    Raises:
        ValueError: If the apex is NaN or Inf.
    """

    apex: Tensor

    @checked
    def __init__(
        self,
        apex: float | Tensor,
        focal: Positive,
        pitch: Positive,
        reference: Positive,
        glass: Glass = BK7,
    ) -> None:
        super().__init__()
        self.apex = _coefficients(apex, "ThinPrism: apex")
        self.lever = focal / pitch
        self.reference = float(reference)
        self.glass = glass

    def forward(self, wavelengths: Tensor) -> Tensor:
        """Return shifts in px at wavelengths in nm, (*s) -> (*s)."""
        first = refractive_index(wavelengths.new_tensor(self.reference), self.glass)
        bend = first - refractive_index(wavelengths, self.glass)
        return self.apex.to(wavelengths) * self.lever * bend


class Scaled(nn.Module):
    """Another law, scaled and offset: scale · law(λ) + offset.

    A bench calibration most often has these two numbers wrong. Give `nn.Parameter`s to learn them.

    Args:
        law: Maps wavelengths (nm) to shifts (px).
        scale: Factor without unit.
        offset: Pixels.
    """

    scale: Tensor
    offset: Tensor

    @checked
    def __init__(
        self,
        law: Callable[[Tensor], Tensor],
        scale: float | Tensor = 1.0,
        offset: float | Tensor = 0.0,
    ) -> None:
        super().__init__()
        self.law = law
        self.scale = _coefficients(scale, "Scaled: scale")
        self.offset = _coefficients(offset, "Scaled: offset")

    def forward(self, wavelengths: Tensor) -> Tensor:
        """Return shifts in px at wavelengths in nm, (*s) -> (*s)."""
        return self.scale.to(wavelengths) * self.law(wavelengths) + self.offset.to(wavelengths)


@checked
def refractive_index(wavelengths: Tensor, glass: Glass = BK7) -> Tensor:
    """Return n(λ) by Sellmeier's equation.

    Args:
        wavelengths: (*s) in nm.
        glass: Coefficients (B, C), C in µm².

    Returns:
        (*s), without unit.
    """
    squared = (wavelengths / 1000) ** 2
    terms = [b * squared / (squared - c) for b, c in zip(*glass, strict=True)]
    return (1 + torch.stack(terms).sum(0)).sqrt()


@checked
def steps(wavelengths: Numbers, pixels: Finite) -> Table:
    """Return the law by which each band lies as far from the one before: as cameras are published.

    The band that falls nearest to the detector's first pixel is not shifted: the first one where
    the spectrum runs towards higher pixels, the last one where it runs towards lower ones.

    Args:
        wavelengths: (L,) in nm, rising.
        pixels: Shift from one band to the next, in px. Negative where longer wavelengths fall on
            lower pixels (to the left, or upwards).
    """
    knots = torch.as_tensor(wavelengths, dtype=torch.float64)
    if knots.ndim != 1 or not len(knots):
        raise ValueError(
            f"steps: wavelengths must be (bands,), one at least, got shape {tuple(knots.shape)}."
        )
    shifts = pixels * torch.arange(len(knots), dtype=torch.float64)
    return Table(knots, shifts - shifts.min().clamp(max=0.0))


@checked
def on_detector(law: Callable[[Tensor], Tensor], wavelengths: Numbers) -> Scaled:
    """Return a law moved so that its least shift is 0: a detector's pixels count from there.

    A law that is learnt is moved by where it starts.

    Args:
        law: Maps wavelengths (nm) to shifts (px), of any sign.
        wavelengths: (L,) in nm: the bands of the camera.
    """
    with torch.no_grad():
        least = float(law(torch.as_tensor(wavelengths, dtype=torch.float64)).min())
    return Scaled(law, offset=-least)


def _power_series(coefficients: Tensor, x: Tensor) -> Tensor:
    """Σ_k coefficients[k] x^k, of the shape of x."""
    terms = (c * x**k for k, c in enumerate(coefficients.to(x).unbind()))
    return sum(terms, torch.zeros_like(x))


def _coefficients(value: float | Numbers, name: str) -> Tensor:
    if isinstance(value, nn.Parameter):
        return value
    tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} hold NaN or Inf.")
    return nn.Buffer(tensor)
