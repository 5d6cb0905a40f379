"""Spectra of X-ray tubes: Kramers' law behind filters, or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr.operators.ct.beam.materials import MATERIALS, Material, Tables, attenuation
from inverse_inr.ranges import Count, FiniteTensor, NonNegative, Range, checked

Voltage = Annotated[float, Range(least=10, most=1000)]
"""The voltage of an X-ray tube in kV, which is the largest photon energy in keV."""
LOWEST_ENERGY = 10.0
"""In keV: below it no photon passes a tube's window and a millimetre of aluminium."""
USED = 1e-6
"""Part of the largest weight below which an energy is left out."""


@checked
@dataclass(frozen=True, eq=False)
class Spectrum:
    """The share of the signal that photons of each energy have where nothing is in the beam.

    Args:
        energies: (e,) in keV, ascending.
        weights: (e,) shares of the signal, not negative; they are scaled to add up to 1.

    Raises:
        ValueError: The shapes disagree, an energy is not positive, the energies do not ascend, or
            the weights are negative or all zero.
    """

    energies: FiniteTensor
    weights: FiniteTensor

    def __post_init__(self) -> None:
        energies = self.energies.detach().double()
        weights = self.weights.detach().double()
        if energies.ndim != 1 or energies.shape != weights.shape or not len(energies):
            raise ValueError(
                f"Spectrum: energies and weights must both be (e,), got "
                f"{tuple(energies.shape)} and {tuple(weights.shape)}."
            )
        if not bool((energies > 0).all()) or not bool((energies.diff() > 0).all()):
            raise ValueError("Spectrum: energies must be positive and ascend, in keV.")
        if not bool((weights >= 0).all()) or not float(weights.sum()) > 0:
            raise ValueError("Spectrum: weights must not be negative, nor all zero.")
        object.__setattr__(self, "energies", energies)
        object.__setattr__(self, "weights", weights / weights.sum())

    @property
    def mean_energy(self) -> float:
        """The mean energy of the signal, in keV."""
        return float((self.energies * self.weights).sum())

    @checked
    def behind(
        self, material: Material, thickness: NonNegative, tables: Tables = "analytic"
    ) -> Spectrum:
        """The spectrum behind a filter.

        Args:
            material: The filter's material.
            thickness: In cm.
            tables: Where its attenuation comes from.
        """
        passed = torch.exp(-thickness * attenuation(material, self.energies, tables))
        return Spectrum(self.energies, self.weights * passed)


@checked
def kramers(
    voltage: Voltage = 120.0,
    filters: Mapping[str, float] | None = None,
    *,
    bins: Count = 40,
    detector: Literal["integrating", "counting"] = "integrating",
    tables: Tables = "analytic",
) -> Spectrum:
    """The bremsstrahlung of a thick target behind filters, without characteristic lines.

        photons(E) ∝ (voltage / E - 1) exp(-Σ μ_filter(E) thickness)

    Args:
        voltage: Of the tube in kV.
        filters: Thicknesses in cm by the name of a material; by default 0.25 cm of aluminium, what
            a medical tube has at least.
        bins: Number of energies, at the middle of equal intervals from 10 keV up.
        detector: "integrating" weighs each photon by its energy, as a scintillator does;
            "counting" counts photons.
        tables: Where the filters' attenuation comes from.

    Raises:
        ValueError: A filter's material is unknown, or its thickness negative.

    Source:
        Kramers, Phil. Mag. 46 (1923).
    """
    if filters is None:
        filters = {"aluminium": 0.25}
    low = min(LOWEST_ENERGY, 0.5 * voltage)
    step = (voltage - low) / bins
    energies = low + step * (torch.arange(bins, dtype=torch.float64) + 0.5)
    weights = voltage / energies - 1
    if detector == "integrating":
        weights = weights * energies
    for name, thickness in filters.items():
        if name not in MATERIALS:
            raise ValueError(f"kramers: filters name {name!r}; known are {', '.join(MATERIALS)}.")
        if not thickness >= 0:
            raise ValueError(f"kramers: filters[{name!r}]={thickness} cm must not be negative.")
        weights = weights * torch.exp(-thickness * attenuation(MATERIALS[name], energies, tables))
    kept = weights > USED * weights.max()
    return Spectrum(energies[kept], weights[kept])


@checked
def read_spectrum(
    path: str | Path, detector: Literal["integrating", "counting"] = "integrating"
) -> Spectrum:
    """Read a spectrum from a text file of two columns: energies in keV, photons at each.

    Args:
        path: The file; lines that begin with # are comments, columns are parted by blanks or
            commas.
        detector: "integrating" weighs the photons by their energy.

    Raises:
        ValueError: The file has not two columns of numbers.
    """
    text = Path(path).read_text(encoding="utf-8")
    lines = [line.split("#")[0].replace(",", " ").split() for line in text.splitlines()]
    try:
        table = np.array([[float(word) for word in words] for words in lines if words])
    except ValueError as error:
        raise ValueError(f"read_spectrum: {path} holds something that is no number.") from error
    if table.ndim != 2 or table.shape[1] != 2:
        raise ValueError(
            f"read_spectrum: {path} must have two columns, energies in keV and photons; "
            f"got an array of shape {table.shape}."
        )
    energies, photons = torch.from_numpy(table).unbind(-1)
    weights: Tensor = photons
    if detector == "integrating":
        weights = photons * energies
    return Spectrum(energies.contiguous(), weights.contiguous())
