"""Attenuation of materials by photon energy: an analytic law without tables, or xraydb's tables.

    μ(E) = Σ_elements ρ w N_A Z / A (σ_KN(E) + b Z^p E^-q)

σ_KN is the cross-section of Klein and Nishina of one electron (Compton scattering), the other part
stands for the photoelectric effect and coherent scattering. The form is that of Alvarez & Macovski
(Phys. Med. Biol. 21, 1976). b, p and q were fitted to the tables of xraydb for C, O, Al, P, Ca, Ti
and Fe from 25 to 130 keV, from which the law departs by 4.2 % at most. It knows no absorption
edges, so it ends at iron.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from inverse_inr.ranges import FiniteTensor, Positive, checked

ELECTRON_REST_ENERGY = 510.99895
"""In keV."""
ELECTRON_RADIUS = 2.8179403e-13
"""The classical electron radius, in cm."""
AVOGADRO = 6.02214076e23
KEV_ANGSTROM = 12.398419843
"""Planck's constant times the speed of light, in keV Å."""
PHOTO_FACTOR = 2.142e-23
"""b, in cm² keV^q for each electron."""
PHOTO_POWERS = (3.184, 2.957)
"""p of the atomic number and q of the energy."""

ELEMENTS = {
    "H": (1, 1.008),
    "C": (6, 12.011),
    "N": (7, 14.007),
    "O": (8, 15.999),
    "Na": (11, 22.990),
    "Mg": (12, 24.305),
    "Al": (13, 26.982),
    "Si": (14, 28.085),
    "P": (15, 30.974),
    "S": (16, 32.06),
    "Cl": (17, 35.45),
    "K": (19, 39.098),
    "Ca": (20, 40.078),
    "Ti": (22, 47.867),
    "Cr": (24, 51.996),
    "Mn": (25, 54.938),
    "Fe": (26, 55.845),
}
"""Atomic number and atomic mass of the elements that the analytic law knows."""

Tables = Literal["analytic", "xraydb"]
"""Where attenuation comes from: the law above, or the package xraydb (extra `xray`)."""


@checked
@dataclass(frozen=True)
class Material:
    """A material by its density and its composition.

    Args:
        name: Its name, for messages.
        density: In g/cm³.
        composition: Mass fractions by the symbol of the element; they add up to 1.

    Raises:
        ValueError: The mass fractions are not positive or do not add up to 1.
    """

    name: str
    density: Positive
    composition: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = sum(self.composition.values())
        if not self.composition or min(self.composition.values()) <= 0 or abs(total - 1) > 0.02:
            raise ValueError(
                f"Material {self.name!r}: the composition's mass fractions must be positive and "
                f"add up to 1; they are {dict(self.composition)}, in all {total:.4g}."
            )


WATER = Material("water", 1.0, {"H": 0.1119, "O": 0.8881})
BONE = Material(
    "cortical bone",
    1.92,
    {
        "H": 0.034,
        "C": 0.155,
        "N": 0.042,
        "O": 0.435,
        "Na": 0.001,
        "Mg": 0.002,
        "P": 0.103,
        "S": 0.003,
        "Ca": 0.225,
    },
)
"""Cortical bone of ICRU report 44."""
ALUMINIUM = Material("aluminium", 2.699, {"Al": 1.0})
TITANIUM = Material("titanium", 4.506, {"Ti": 1.0})
IRON = Material("iron", 7.874, {"Fe": 1.0})

MATERIALS = {
    "water": WATER,
    "bone": BONE,
    "aluminium": ALUMINIUM,
    "titanium": TITANIUM,
    "iron": IRON,
}
"""Materials by name."""


@checked
def attenuation(material: Material, energies: FiniteTensor, tables: Tables = "analytic") -> Tensor:
    """The linear attenuation coefficient of a material.

    Args:
        material: The material.
        energies: (*s,) photon energies in keV.
        tables: "analytic" for the law of this module (elements up to iron, 20 to 200 keV), or
            "xraydb" for tables (the extra `xray`), which know absorption edges.

    Returns:
        (*s,) in 1/cm, float64.

    Raises:
        ValueError: An energy is not positive, or an element is unknown to the law.
        ImportError: xraydb is asked for and not installed.
    """
    energy = energies.detach().double()
    if not bool((energy > 0).all()):
        raise ValueError("attenuation: energies must be positive numbers of keV.")
    total = torch.zeros_like(energy)
    for element, share in material.composition.items():
        total = total + share * _mass_attenuation(element, energy, tables)
    return material.density * total


@checked
def phase_per_length(material: Material, energy: Positive) -> float:
    """The phase k δ by which a wave is shifted per length, δ = r λ² n_electrons / 2π.

    Far from absorption edges, δ knows nothing but the density of electrons.

    Args:
        material: Of elements that the analytic law knows.
        energy: In keV.

    Returns:
        In radians per cm.

    Raises:
        ValueError: An element is unknown.
    """
    electrons = 0.0
    for element, share in material.composition.items():
        if element not in ELEMENTS:
            raise ValueError(f"phase_per_length: unknown element {element!r}.")
        number, mass = ELEMENTS[element]
        electrons += material.density * share * AVOGADRO * number / mass
    return ELECTRON_RADIUS * 1e-8 * KEV_ANGSTROM / energy * electrons


def klein_nishina(energies: Tensor) -> Tensor:
    """The total cross-section of Compton scattering by one free electron.

    Args:
        energies: (*s,) photon energies in keV.

    Returns:
        (*s,) in cm². At low energies it tends to Thomson's 8π/3 r².

    Source:
        Klein & Nishina, Z. Phys. 52 (1929).
    """
    a = energies / ELECTRON_REST_ENERGY
    log = torch.log1p(2 * a)
    wide = 1 + 2 * a
    total = (1 + a) / a**2 * (2 * (1 + a) / wide - log / a) + log / (2 * a) - (1 + 3 * a) / wide**2
    return 2 * torch.pi * ELECTRON_RADIUS**2 * total


def _mass_attenuation(element: str, energy: Tensor, tables: Tables) -> Tensor:
    """Attenuation by mass of an element in cm²/g."""
    if tables == "xraydb":
        return _from_xraydb(element, energy)
    if element not in ELEMENTS:
        raise ValueError(
            f"attenuation: the analytic law knows {', '.join(ELEMENTS)}, not {element!r}, whose "
            'absorption edges may matter. Use tables="xraydb".'
        )
    number, mass = ELEMENTS[element]
    power, fall = PHOTO_POWERS
    photo = PHOTO_FACTOR * number**power * energy**-fall
    return AVOGADRO * number / mass * (klein_nishina(energy) + photo)


def _from_xraydb(element: str, energy: Tensor) -> Tensor:
    try:
        import xraydb  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            'attenuation: tables="xraydb" needs the package xraydb: pip install inverse-inr[xray]'
        ) from error
    electronvolts = 1e3 * energy.cpu().reshape(-1).numpy()
    values = torch.as_tensor(xraydb.mu_elam(element, electronvolts), dtype=torch.float64)
    return values.reshape(energy.shape).to(energy.device)
