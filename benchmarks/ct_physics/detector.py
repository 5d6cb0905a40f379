"""A scintillator that blurs and glows: its response learnt, and deconvolution with the known one.

    python benchmarks/ct_physics/detector.py [--seeds 3 4 5]

The scans are those of `ct_hardening bone`, whose light then spreads by a Gaussian and lingers for
some views before photons are counted. Deconvolution knows the response exactly: afterglow is taken
off by solving its equations, blur by Wiener's filter, whose noise-to-signal ratio the truth chooses
("oracle"), once for FBP and once for the fit. The fit that learns begins at wrong numbers; that of
"held-out" is the best of some widths, then of some afterglows, by the rows that no fit saw.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import torch
from hardening import Judge
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import noise
from inverse_inr.operators import psf
from inverse_inr.operators.ct.beam.detector import Afterglow, ScintillatorBlur, convolved
from inverse_inr.problems.ct import ct_hardening
from inverse_inr.problems.ct.physics.artefact_reduction import bone_correction
from inverse_inr.problems.ct.physics.hardening import corrected_fit

PHOTONS = 2e5
"""Photons per bin."""
SIGMA, LATE, DECAY = 1.0, 0.1, 0.8
"""The true response: bins, part of the light that comes late, part left after each view."""
WRONG = (0.5, 0.02, 0.5)
"""Where learning begins."""
REMEMBERED = 60
"""Views that the simulated detector remembers; the models remember a third of them."""
RATIOS = (1e-3, 1e-2, 1e-1)
"""Ratios of noise to signal between which the truth chooses."""
WIDTHS = (0.5, 0.75, 1.0, 1.25, 1.5)
"""Widths of the blur, in bins, between which held-out rows choose."""
SHARES = (0.001, 0.05, 0.1, 0.2, 0.3)
"""Late parts of the light between which held-out rows choose; the decay is told."""
SIZE = 64
"""Pixels along each axis, and bins."""
VIEWS = 90
COUNTLESS = 1e12
"""Photons of a scan that shows no noise."""


def scanned(problem: ii.Problem, seed: int) -> tuple[ii.Problem, Tensor]:
    """A problem's noise-free scan seen by the detector, and its light (views, bins)."""
    term = problem.terms[0]
    operator: Any = term.operator
    light = (term.y / COUNTLESS).double()
    spread = convolved(operator.unflatten(light), psf.Gaussian(SIGMA, 1).double(), 1.0)
    lingering = response(len(spread), REMEMBERED) @ spread
    model = noise.Poisson(PHOTONS)
    mean = -lingering.flatten().log()
    y = model.sample(mean.float(), torch.Generator().manual_seed(seed))
    measured = replace(problem, terms=[replace(term, y=y, fidelity=model)])
    return measured, operator.unflatten(y / PHOTONS).double()


def response(views: int, memory: int) -> Tensor:
    """(views, views): what each view shows of the light of those before it."""
    powers = DECAY ** torch.arange(memory, dtype=torch.float64)
    shares = torch.cat([torch.tensor([1 - LATE]).double(), LATE * powers / powers.sum()])
    matrix = torch.zeros(views, views, dtype=torch.float64)
    for view in range(views):
        seen = (view - torch.arange(memory + 1)).clamp(min=0)
        matrix[view].index_add_(0, seen, shares)
    return matrix


def deconvolved(problem: ii.Problem, light: Tensor, ratio: float) -> ii.Problem:
    """The problem with the known response taken off its counts."""
    prompt = torch.linalg.solve(response(len(light), REMEMBERED), light)
    sharp = convolved(prompt, Wiener(ratio), 1.0).clamp(min=1e-6)
    y = (PHOTONS * sharp).flatten().float()
    return replace(problem, terms=[replace(problem.terms[0], y=y)])


class Wiener(psf.Gaussian):
    """The filter that undoes the Gaussian, as far as noise allows.

    Args:
        ratio: Noise over signal.
    """

    def __init__(self, ratio: float) -> None:
        super().__init__(SIGMA, 1)
        self.ratio = ratio
        self.double()

    def transfer(self, frequency: Tensor) -> Tensor:
        """Its transfer at frequencies (*s, 1)."""
        response = super().transfer(frequency)
        return response.conj() * (1 + self.ratio) / (response.abs().square() + self.ratio)


def detected(problem: ii.Problem, sigma: float, late: float, decay: float, learn: bool) -> Any:
    """The problem with the detector's response in its model."""
    width = torch.tensor(sigma)
    blur = psf.Gaussian(nn.Parameter(width) if learn else sigma, 1)
    term = problem.terms[0]
    operator = Afterglow(ScintillatorBlur(term.operator, blur), late, decay, REMEMBERED // 3)
    operator.logits.requires_grad_(learn)
    return replace(problem, terms=[replace(term, operator=operator)])


def measure(seed: int) -> None:
    """Print what each method reaches on one scan."""
    print(f"seed {seed}")
    clean = ct_hardening("bone", size=SIZE, views=VIEWS, photons=COUNTLESS, seed=seed)
    judge = Judge(clean, "bone", seed)
    problem, light = scanned(clean, seed)
    sharp = {ratio: deconvolved(problem, light, ratio) for ratio in RATIOS}

    def show(name: str, solution: ii.Solution) -> None:
        judge.show(name, solution.image()[..., 0])

    def best(solutions: list[ii.Solution]) -> ii.Solution:
        return max(solutions, key=lambda s: judge.psnr(s.image()[..., 0]))

    show("bone correction", bone_correction(problem))
    corrected = [bone_correction(p, w) for p in sharp.values() for w in ("hann", "ram-lak")]
    show("deconvolved, bone correction", best(corrected))
    show("fit, response ignored", corrected_fit(problem))
    show("deconvolved, fit", best([corrected_fit(p) for p in sharp.values()]))
    known = corrected_fit(detected(problem, SIGMA, LATE, DECAY, learn=False))
    show("fit, response known", known)
    fit = corrected_fit(detected(problem, *WRONG, learn=True))
    show(f"fit, response learnt ({fit.seconds:.0f} s)", fit)
    told(fit)
    fit = chosen(problem)
    show("fit, response by held-out rows", fit)
    told(fit)


def chosen(problem: ii.Problem) -> ii.Solution:
    """The fit whose width, then whose late part, is best by held-out rows."""

    def best(responses: list[tuple[float, float]]) -> tuple[float, float]:
        fits = [corrected_fit(detected(problem, *r, DECAY, learn=False)) for r in responses]
        misfits = [fit.held_out() for fit in fits]
        return min(zip(misfits, responses, strict=True))[1]  # pyright: ignore[reportArgumentType]

    width, late = best([(width, WRONG[1]) for width in WIDTHS])
    width, late = best([(width, late) for late in SHARES])
    return corrected_fit(detected(problem, width, late, DECAY, learn=False))


def told(fit: ii.Solution) -> None:
    """Print the response that a fit ended with."""
    found: Any = fit.problem.terms[0].operator
    late, decay = found.logits.detach().sigmoid().tolist()
    width = float(found.operator.psf.sigma.detach())
    print(f"    blur {width:.3f} bins, late {late:.4f}, decay {decay:.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 4, 5])
    for number in parser.parse_args().seeds:
        measure(number)
