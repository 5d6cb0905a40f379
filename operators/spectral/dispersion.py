"""Dispersion: how far a prism or grating moves each wavelength on the detector, in pixels.

Each law is a module that maps wavelengths (nm) to shifts (px); coefficients given as `nn.Parameter` are learnt.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

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
"""Band centres in nm of the TSA-Net camera (Meng et al. 2020): 28 bands, two pixels apart on the detector."""

BK7 = ((1.03961212, 0.231792344, 1.01046945), (0.00600069867, 0.0200179144, 103.560653))
"""Sellmeier coefficients of Schott N-BK7 (data sheet): B without unit, C in µm²."""


class Table(nn.Module):
    """Shifts (px) at rising wavelengths (nm), linear between them and beyond. Raises ValueError where they disagree."""

    wavelengths: Tensor
    shifts: Tensor

    def __init__(self, wavelengths: Tensor, shifts: Tensor) -> None:
        super().__init__()
        knots = torch.as_tensor(wavelengths, dtype=torch.float64)
        if knots.ndim != 1 or not len(knots) or len(knots) != len(shifts):
            raise ValueError(
                f"Table: {len(knots)} wavelengths and {len(shifts)} shifts; one of each, at least one."
            )
        if not bool((knots.diff() > 0).all()):
            raise ValueError(f"Table: wavelengths must rise, got {knots[:4].tolist()}...")
        self.wavelengths, self.shifts = nn.Buffer(knots), _coefficients(shifts, "Table: shifts")

    def forward(self, wavelengths: Tensor) -> Tensor:
        knots = self.wavelengths.to(wavelengths)
        if len(knots) == 1:
            return self.shifts.to(wavelengths).expand_as(wavelengths)
        k = torch.searchsorted(knots, wavelengths.contiguous()).clamp(1, len(knots) - 1)
        t = (wavelengths - knots[k - 1]) / (knots[k] - knots[k - 1])
        shifts = self.shifts.to(wavelengths)
        return torch.lerp(shifts[k - 1], shifts[k], t)


class Polynomial(nn.Module):
    """Σ_k coefficients[k] ((λ - reference) / 100 nm)^k pixels: coefficient 1 is that of a grating."""

    coefficients: Tensor

    def __init__(self, coefficients: Tensor, reference: float = 450.0) -> None:
        super().__init__()
        self.coefficients, self.reference = (
            _coefficients(coefficients, "Polynomial: coefficients"),
            float(reference),
        )

    def forward(self, wavelengths: Tensor) -> Tensor:
        t = (wavelengths - self.reference) / 100
        return sum(
            (c * t**k for k, c in enumerate(self.coefficients.to(wavelengths).unbind())),
            torch.zeros_like(t),
        )


class Cauchy(nn.Module):
    """a + b u + c u² pixels with u = (reference / λ)²: Cauchy's index a + b/λ² + c/λ⁴ behind a thin prism."""

    coefficients: Tensor

    def __init__(self, coefficients: Tensor, reference: float = 500.0) -> None:
        super().__init__()
        self.coefficients, self.reference = (
            _coefficients(coefficients, "Cauchy: coefficients"),
            float(reference),
        )

    @classmethod
    def fit(
        cls, wavelengths: Tensor, shifts: Tensor, terms: int = 3, reference: float = 500.0
    ) -> Cauchy:
        """The least-squares law through measured shifts."""
        u = (reference / torch.as_tensor(wavelengths, dtype=torch.float64)) ** 2
        powers = torch.stack([u**k for k in range(terms)], -1)
        return cls(
            torch.linalg.lstsq(powers, torch.as_tensor(shifts).double()[:, None]).solution[:, 0],
            reference,
        )

    def forward(self, wavelengths: Tensor) -> Tensor:
        u = (self.reference / wavelengths) ** 2
        return sum(
            (c * u**k for k, c in enumerate(self.coefficients.to(wavelengths).unbind())),
            torch.zeros_like(u),
        )


class ThinPrism(nn.Module):
    """focal · apex · (n(reference) - n(λ)) / pitch pixels: deviation (n - 1) · apex of a thin prism, n by Sellmeier.

    apex in radians, focal length of the lens behind the prism and pixel pitch in one unit. `glass` is (B, C), C in µm².
    """

    apex: Tensor

    def __init__(
        self,
        apex: float | Tensor,
        focal: float,
        pitch: float,
        reference: float,
        glass: tuple[tuple[float, ...], tuple[float, ...]] = BK7,
    ) -> None:
        super().__init__()
        if not (focal > 0 and pitch > 0):
            raise ValueError(
                f"ThinPrism: focal={focal} and pitch={pitch} must be positive lengths of one unit."
            )
        self.apex = _coefficients(apex, "ThinPrism: apex")
        self.lever, self.reference, self.glass = focal / pitch, float(reference), glass

    def forward(self, wavelengths: Tensor) -> Tensor:
        first = refractive_index(wavelengths.new_tensor(self.reference), self.glass)
        return (
            self.apex.to(wavelengths)
            * self.lever
            * (first - refractive_index(wavelengths, self.glass))
        )


class Scaled(nn.Module):
    """scale · law(λ) + offset pixels: what a bench calibration most often has wrong; give `nn.Parameter`s to learn."""

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        law: Callable[[Tensor], Tensor],
        scale: float | Tensor = 1.0,
        offset: float | Tensor = 0.0,
    ) -> None:
        super().__init__()
        self.law = law
        self.scale, self.offset = (
            _coefficients(scale, "Scaled: scale"),
            _coefficients(offset, "Scaled: offset"),
        )

    def forward(self, wavelengths: Tensor) -> Tensor:
        return self.scale.to(wavelengths) * self.law(wavelengths) + self.offset.to(wavelengths)


def refractive_index(
    wavelengths: Tensor, glass: tuple[tuple[float, ...], tuple[float, ...]] = BK7
) -> Tensor:
    """n(λ) by Sellmeier's equation, λ in nm."""
    squared = (wavelengths / 1000) ** 2
    terms = [b * squared / (squared - c) for b, c in zip(*glass, strict=True)]
    return (1 + torch.stack(terms).sum(0)).sqrt()


def steps(wavelengths: Tensor, pixels: float) -> Table:
    """Each wavelength `pixels` further than the one before: how published cameras are tabulated."""
    knots = torch.as_tensor(wavelengths, dtype=torch.float64)
    return Table(knots, pixels * torch.arange(len(knots), dtype=torch.float64))


def _coefficients(value: float | Tensor, name: str) -> Tensor:
    if isinstance(value, nn.Parameter):
        return value
    tensor = torch.as_tensor(value, dtype=torch.float64).detach().clone()
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} hold NaN or Inf.")
    return nn.Buffer(tensor)
