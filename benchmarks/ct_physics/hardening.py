"""Beam hardening, metal and scatter: a polychromatic fit beside the classical remedies.

    python benchmarks/ct_physics/hardening.py metal [--seeds 0 1 2]
    python benchmarks/ct_physics/hardening.py bone --voltage 80
    python benchmarks/ct_physics/hardening.py bone --scatter 0.02
    python benchmarks/ct_physics/hardening.py metal --decide 100 110 115 125 135

`--believed` reconstructs with the spectrum of another voltage than the one that simulated: every
method is told the wrong one, and the fit learns the thickness of an unknown filter of aluminium.
`--decide` lists voltages: a fit is made with each, and shown with its misfit of held-out rays and
beside NMAR with the same spectrum.
Classical remedies are also given the truth's best setting ("oracle"): thresholds, window, the true
trace of the metal, the best affine scale of the values, and total variation of NMAR's sinogram with
the best weight; of scatter, the best constant that is taken off before bone correction.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import baselines, noise
from inverse_inr.operators import Polychromatic
from inverse_inr.operators.ct.beam.materials import ALUMINIUM, BONE, TITANIUM, WATER
from inverse_inr.operators.ct.beam.spectrum import kramers
from inverse_inr.problems.ct import ct_hardening
from inverse_inr.problems.ct.physics import artefact_reduction as remedies
from inverse_inr.problems.ct.physics.hardening import REFERENCE, corrected_fit
from inverse_inr.problems.ct.physics.materials_phantom import material_phantom
from inverse_inr.problems.ct.physics.scatter_levels import without_scatter

PEAK = 0.5
"""Value in 1/cm that PSNR counts from: about that of bone."""

SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Parts of the scatter's level between which the truth chooses a constant."""


class Judge:
    """The truth of a problem, outside the metal and in nothing but water."""

    def __init__(self, problem: ii.Problem, kind: str, seed: int) -> None:
        assert problem.reference is not None
        self.problem = problem
        self.truth = ii.sample(problem.reference, problem.grid, average=4)[..., 0].float()
        phantom = material_phantom(kind, seed)  # pyright: ignore[reportArgumentType]
        amounts = [ii.sample(a, problem.grid, average=4)[..., 0] for a in phantom.amounts]
        self.outside = torch.ones_like(self.truth, dtype=torch.bool)
        self.metal = torch.zeros_like(self.outside)
        self.water = (amounts[0] - 1).abs() < 1e-6
        if len(amounts) > 2:
            self.metal = amounts[2] > 0
            self.outside = ~_grown(self.metal, 3)
        for other in amounts[1:]:
            self.water &= ~_grown(other > 0, 7)

    def psnr(self, image: Tensor) -> float:
        """PSNR outside the metal, in dB."""
        return float(10 * (PEAK**2 / (image - self.truth)[self.outside].square().mean()).log10())

    def scaled(self, image: Tensor) -> float:
        """The same with the best affine scale of the values, or without if that is better."""
        values = image[self.outside].double()
        design = torch.stack([values, torch.ones_like(values)], -1)
        right = self.truth[self.outside][:, None].double()
        a, b = torch.linalg.lstsq(design, right).solution[:, 0].tolist()
        return max(self.psnr(image), self.psnr(a * image + b))

    def show(self, name: str, image: Tensor, scaled: bool = False) -> None:
        """Print a line."""
        psnr = self.psnr(image)
        if scaled:
            psnr = self.scaled(image)
        cup = 100 * remedies.cupping(image, self.problem.grid, self.water, 8.5)
        print(f"  {name:28s} {psnr:6.2f} dB   cupping {cup:6.2f} %", flush=True)


def _grown(mask: Tensor, size: int) -> Tensor:
    return nn.functional.max_pool2d(mask[None].float(), size, 1, size // 2)[0] > 0


def nmar_variants(problem: ii.Problem, judge: Judge) -> Iterator[ii.Solution]:
    """NMAR with all settings that the truth may choose from."""
    sinogram = remedies.Sinogram(problem)
    known = sinogram.project(judge.metal.float()) > remedies.TRACE
    for window, bone in itertools.product(("hann", "ram-lak"), (0.26, 0.29, 0.32, 0.36, 0.42)):
        for metal in (0.7, 0.85, 1.0, 1.3):
            yield remedies.normalised_interpolation(problem, window, metal, bone)
        yield remedies.normalised_interpolation(problem, window, 1.0, bone, known)


def best_tv(problem: ii.Problem, sinogram: Tensor, judge: Judge) -> Tensor:
    """Total variation of a corrected sinogram, with the weight that the truth likes best."""
    beam = remedies.Sinogram(problem).beam
    term = ii.Term(beam, sinogram.flatten(), noise.Gaussian(0.005))
    linear = replace(problem, terms=[term])
    found = []
    for weight in (30.0, 100.0, 300.0, 1000.0):
        image = baselines.tv(linear, weight, iterations=200).sample()[..., 0]
        found.append((judge.scaled(image), image))
    return max(found, key=lambda pair: pair[0])[1]


def misinformed(problem: ii.Problem, voltage: float, filtered: bool = True) -> ii.Problem:
    """The problem with the spectrum of another voltage, behind an unknown filter or none."""
    term = problem.terms[0]
    right = term.operator
    assert isinstance(right, Polychromatic)
    materials = [WATER, BONE, TITANIUM][: len(right.table)]
    wrong = Polychromatic(
        right.operator,
        kramers(voltage),
        materials,
        reference=REFERENCE,
        gather=right.gather,
        unknown_filter=ALUMINIUM if filtered else None,
    )
    return replace(problem, terms=[replace(term, operator=wrong)])


def decide(problem: ii.Problem, voltages: list[float], judge: Judge) -> None:
    """Print what fits with spectra of several voltages make of held-out rays and the truth."""
    for voltage in voltages:
        told = misinformed(problem, voltage, filtered=False)
        fit = corrected_fit(told)
        print(f"  {voltage:g} kV: held-out misfit {fit.held_out():.3f}", flush=True)
        judge.show(f"polychromatic fit, {voltage:g} kV", fit.sample()[..., 0])
        nmar = told.suggested.baselines["NMAR"](told)
        judge.show(f"NMAR, {voltage:g} kV", nmar.sample()[..., 0])


def measure(
    kind: str, seed: int, voltage: float, scatter: float, believed: float | None, oracle: bool
) -> ii.Problem:
    """Print what each method reaches on one phantom, and return its true problem."""
    problem = ct_hardening(
        kind,  # pyright: ignore[reportArgumentType]
        seed=seed,
        voltage=voltage,
        scatter=scatter,
    )
    judge = Judge(problem, kind, seed)
    true = problem
    if believed is not None:
        problem = misinformed(problem, believed)
    print(f"{kind}, seed {seed}, {voltage:g} kV, scatter {scatter:g}")
    for name, method in problem.suggested.baselines.items():
        judge.show(name, method(problem).sample()[..., 0])
    if kind == "metal" and oracle:
        tried = list(nmar_variants(problem, judge))
        best = max(tried, key=lambda s: judge.scaled(s.sample()[..., 0]))
        judge.show("NMAR, oracle", best.sample()[..., 0], scaled=True)
        image = best_tv(problem, best.details["sinogram"], judge)
        judge.show("NMAR and TV, oracle", image, scaled=True)
    if scatter > 0 and oracle:
        tried = [
            remedies.bone_correction(without_scatter(problem, share * scatter), window)
            for share, window in itertools.product(SHARES, ("hann", "ram-lak"))
        ]
        best = max(tried, key=lambda s: judge.psnr(s.sample()[..., 0]))
        judge.show("constant scatter, oracle", best.sample()[..., 0])
    fit = corrected_fit(problem)
    judge.show(f"polychromatic fit ({fit.seconds:.0f} s)", fit.sample()[..., 0])
    return true


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["water", "bone", "metal"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--voltage", type=float, default=120.0)
    parser.add_argument("--scatter", type=float, default=0.0)
    parser.add_argument("--believed", type=float)
    parser.add_argument("--decide", type=float, nargs="+", default=[], help="voltages to try")
    parser.add_argument("--no-oracle", action="store_true", help="leave out the oracles' searches")
    given = parser.parse_args()
    for number in given.seeds:
        oracle = not given.no_oracle
        true = measure(given.kind, number, given.voltage, given.scatter, given.believed, oracle)
        if given.decide:
            decide(true, given.decide, Judge(true, given.kind, number))
