"""Line integrals of several materials seen by a beam of many energies.

    p = -log Σ_E S(E) exp(-Σ_m μ_m(E) ∫ a_m)

p is what one energy would call the line integral: counts are photons · exp(-p), as `noise.Poisson`
takes it. a_m are amounts of the materials (1 where a material fills all space).

The field has the amounts as its channels, or it is one: the attenuation f at a reference energy.
Then every value of f stands for a mixture of the two materials whose attenuations lie next to it
(air, the first material, the second, ...), and beyond the last for more of the last:

    a_k(f) = hat function of f at μ_k(reference)

Sources: De Man et al., IEEE TMI 20 (2001), the IMPACT algorithm, for a field of one channel; Wu et
al., NeurIPS 2023 (Polyner), for an implicit representation behind a polychromatic beam.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Operator, Query
from inverse_inr.operators.ct.beam.around import AroundScan, natural_shape
from inverse_inr.operators.ct.beam.materials import Material, Tables, attenuation
from inverse_inr.operators.ct.beam.spectrum import Spectrum
from inverse_inr.ranges import Count, Positive, checked


class Polychromatic(AroundScan):
    """An X-ray transform of materials in a beam with a spectrum.

    Args:
        operator: A ray transform, of lengths in cm, whose bins are `gather` times as many as the
            detector's.
        spectrum: The share of the signal at each energy.
        materials: Those that are there. With `reference`, in the order of their attenuation.
        reference: Energy in keV at which the field, of one channel, is the attenuation in 1/cm.
            None for a field with the materials' amounts as channels.
        gather: Neighbouring bins of `operator` whose intensities are averaged into one of the
            detector. An edge within a bin is then seen as a detector sees it, which is not as the
            logarithm of a mean line integral.
        unknown_filter: Material of a filter of unknown thickness, which is learnt: what is not
            known of the spectrum. It may be thinner than none.
        tables: Where the attenuation comes from.

    Raises:
        ValueError: There is no material, the materials are not in the order of their attenuation
            at `reference`, or the operator's bins are not a multiple of `gather`.
    """

    @checked
    def __init__(
        self,
        operator: Operator,
        spectrum: Spectrum,
        materials: Sequence[Material],
        *,
        reference: Positive | None = None,
        gather: Count = 1,
        unknown_filter: Material | None = None,
        tables: Tables = "analytic",
    ) -> None:
        if not materials:
            raise ValueError("Polychromatic: materials is empty; name at least one.")
        shape = natural_shape(operator)
        if shape[-1] % gather:
            raise ValueError(
                f"Polychromatic: the operator has {shape[-1]} bins, no multiple of gather={gather}."
            )
        super().__init__(operator, (*shape[:-1], shape[-1] // gather))
        self.gather = gather
        real = torch.get_default_dtype()
        table = torch.stack([attenuation(m, spectrum.energies, tables) for m in materials])
        self.table = nn.Buffer(table.to(real))  # (materials, energies) in 1/cm
        self.log_weights = nn.Buffer(spectrum.weights.clamp(min=1e-30).log().to(real))
        knots = None
        if reference is not None:
            knots = nn.Buffer(_knots(materials, reference, tables).to(real))
        self.knots = knots
        filtered, thickness = None, None
        if unknown_filter is not None:
            law = attenuation(unknown_filter, spectrum.energies, tables)
            filtered = nn.Buffer(law.to(real))
            thickness = nn.Parameter(torch.zeros(()))
        self.filter = filtered
        self.thickness = thickness  # of the filter, in cm

    @property
    def channels(self) -> int:
        """The number of channels of the field."""
        if self.knots is not None:
            return 1
        return len(self.table)

    def forward(self, rows: Tensor) -> Query:
        """Look where the operator looks for `rows` (b,), and measure what the detector logs."""
        fine = rows[:, None] * self.gather + torch.arange(self.gather, device=rows.device)
        points, measure = self.operator(fine.flatten())

        def logged(values: Tensor) -> Tensor:
            lines = measure(self.amounts(values)).reshape(*fine.shape, -1)
            return self.logged(lines).squeeze(-1)

        return Query(points, logged)

    def amounts(self, values: Tensor) -> Tensor:
        """The amounts of the materials where the field has some values.

        Args:
            values: (*s, c) of the field.

        Returns:
            (*s, materials); the values themselves where the field has amounts as channels.
        """
        if self.knots is None:
            if values.shape[-1] != len(self.table):
                raise ValueError(
                    f"Polychromatic: the field has {values.shape[-1]} channels for "
                    f"{len(self.table)} materials. One field for all of them: reference=70.0."
                )
            return values
        return mixture(values.squeeze(-1), self.knots)

    def logged(self, lines: Tensor) -> Tensor:
        """Turn line integrals of amounts into minus the log of the intensity that is detected.

        Args:
            lines: (*s, rays, materials) in cm, of the rays whose intensities are averaged.

        Returns:
            (*s, 1), without unit.
        """
        log_weights = self.log_weights.to(lines)
        if self.thickness is not None and self.filter is not None:
            log_weights = log_weights - (self.thickness * self.filter).to(lines)
        exponent = log_weights.log_softmax(0) - lines @ self.table.to(lines)
        intensity = torch.logsumexp(exponent, -1, keepdim=True)
        return math.log(lines.shape[-2]) - torch.logsumexp(intensity, -2)


def mixture(values: Tensor, knots: Tensor) -> Tensor:
    """The amounts of materials that an attenuation stands for, which lie next to it.

    Args:
        values: (*s,) attenuation at the reference energy, in 1/cm.
        knots: (materials,) attenuation of the materials there, ascending.

    Returns:
        (*s, materials), whose attenuations add up to the values; below 0 and beyond the last
        material there is less than none and more than all of the nearest.
    """
    knots = knots.to(values)
    below = torch.cat([knots.new_zeros(1), knots[:-1]])
    # how much of the way from the material below to this one has been gone
    rise = (values[..., None] - below) / (knots - below)
    lowest = torch.zeros_like(knots)
    lowest[0] = -torch.inf
    rise = torch.maximum(rise, lowest)
    inner = rise[..., :-1].clamp(max=1)
    last = rise[..., -1:]
    amount = inner - torch.cat([inner[..., 1:], last.clamp(max=1)], -1)
    # beyond the last knot its amount grows with the attenuation itself
    beyond = torch.where(values[..., None] > knots[-1], values[..., None] / knots[-1], last)
    if len(knots) == 1:
        return values[..., None] / knots
    return torch.cat([amount, beyond], -1)


def _knots(materials: Sequence[Material], reference: float, tables: Tables) -> Tensor:
    """Attenuation of the materials at the reference energy, which must ascend."""
    energy = torch.tensor([reference], dtype=torch.float64)
    knots = torch.cat([attenuation(m, energy, tables) for m in materials])
    if not bool((knots.diff() > 0).all()):
        names = ", ".join(m.name for m in materials)
        raise ValueError(
            f"Polychromatic: materials must be in the order of their attenuation at "
            f"reference={reference:g} keV; {names} have {knots.tolist()} 1/cm."
        )
    return knots
