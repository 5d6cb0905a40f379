"""A real CT scan: which reconstruction best predicts projections that no method saw?

    python benchmarks/ct_scan.py [--path tooth.h5 --bin 2]

Every fifth view is kept out of every fit. Half of these, views 2, 12, 22 ..., choose weights and
states, for all methods by the one-standard-error rule. The errors of the other half, views 7, 17,
27 ..., are printed: no method chose anything by them.

The errors are the reduced chi-square under the photon noise (1 is perfect) and the root mean square
in units of line integrals. Where the drift of the detector was removed, it was fitted to the views
of the fit alone. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import baselines, noise, optimizers, priors, regularizers
from inverse_inr.operators import DetectorDrift
from inverse_inr.problems.ct import ct_scan, filtered_backprojection
from inverse_inr.problems.ct.drift_removal import drift_removed
from inverse_inr.selection import choose_weight
from inverse_inr.stopping import HeldOut

WEIGHTS = [250.0, 500.0, 1000.0, 2000.0, 4000.0]
"""Weights of total variation to choose from, for pixels binned by 2; the choice lies inside."""


def load(path: str, bin: int, width: int, **options: Any) -> tuple[ii.Problem, Tensor]:
    """The problem and the rows to report.

    The problem's fits see neither the views that choose nor those that are reported.
    """
    problem = ct_scan(
        path, bin=bin, air=100, span=180.0, learn_center=False, width=width, **options
    )
    term = problem.terms[0]
    rows = term.trusted
    view = rows // term.operator.shape[1]  # pyright: ignore[reportAttributeAccessIssue]
    report = rows[view % 10 == 7]
    choose = rows[view % 10 == 2]
    seen = replace(term, rows=rows[view % 10 != 7])
    suggested = replace(problem.suggested, stopping=HeldOut(rows=[choose]))
    return replace(problem, terms=[seen], suggested=suggested), report


def tv(problem: ii.Problem) -> ii.Solution:
    """Total variation with the weight that the held-out views choose."""
    return baselines.tv(problem, weights=WEIGHTS, iterations=300)


def tv_once(problem: ii.Problem) -> ii.Solution:
    """Total variation with one fixed weight, used to remove the drift."""
    return baselines.tv(problem, 1000.0, iterations=200)


def inr(problem: ii.Problem, name: str, cells: float, lr: float, steps: int) -> ii.Solution:
    """The prior with total variation on the same pixels as TV; held-out views choose the weight.

    Parameters that the operator learns are learnt together with the image.

    Args:
        problem: The problem to solve.
        name: Name of the prior in the catalogue.
        cells: Cells per axis of the prior, or of its finest level.
        lr: Learning rate of the prior.
        steps: Number of steps of each fit.
    """
    penalty = regularizers.TotalVariation(grid=problem.grid)
    options: dict[str, Any] = {"finest": cells}
    if name == "grid":
        options = {"cells": cells}

    def fit(weight: float) -> ii.Solution:
        prior = priors.create(name, problem.box, **options)
        return ii.solve(
            problem,
            prior,
            steps=steps,
            optimizer=optimizers.Adam(lr=lr),
            operator_lr=1e-3,
            regularizers=[weight * penalty],
            callbacks=[],
        )

    return choose_weight(WEIGHTS, fit)


def errors(solution: ii.Solution, rows: Tensor) -> tuple[float, float]:
    """Reduced chi-square and root mean square of the prediction of `rows`."""
    term = solution.problem.terms[0]
    model = term.fidelity
    assert isinstance(model, noise.Gaussian)
    operator: Any = term.operator
    if isinstance(solution.field, ii.SampledField) and hasattr(operator, "on"):
        operator = operator.on(solution.field.grid)
    with torch.no_grad():
        residual = ii.predict(operator.eval(), solution.field, rows) - term.y[rows]
    chi_square = float((residual / model.at(rows).sigma).square().mean())
    return chi_square, float(residual.square().mean().sqrt())


def methods_for(
    path: str, bin: int, width: int
) -> tuple[dict[str, Callable[[], ii.Solution]], Tensor]:
    """The methods by name, and the rows to report."""

    def scan(**options: Any) -> tuple[ii.Problem, Tensor]:
        return load(path, bin, width, **options)

    fine = width  # at bin 2, a pixel is half a bin wide
    coarse = width // bin  # a pixel is one bin wide
    raster, report = scan(size=fine, drift=2, raster=True)
    pixels, _ = scan(size=coarse, drift=2, raster=True)
    rays, _ = scan(size=coarse, drift=2)
    plain, _ = scan(size=fine, raster=True)
    clean: dict[int, ii.Problem] = {}

    def removed(problem: ii.Problem) -> ii.Problem:
        key = problem.grid.numel
        clean[key] = clean.get(key) or drift_removed(problem, tv_once)
        return clean[key]

    def fbp_clean(window: str) -> ii.Solution:
        """FBP of measurements whose drift TV and least squares, in turn, have removed."""
        term = rays.terms[0]
        assert isinstance(term.operator, DetectorDrift)
        y = removed(raster).terms[0].y
        beam = replace(term, operator=term.operator.operator, y=y)
        return filtered_backprojection(replace(rays, terms=[beam]), window)

    methods: dict[str, Callable[[], ii.Solution]] = {
        "FBP, ramp": lambda: filtered_backprojection(rays),
        "FBP, Hann": lambda: filtered_backprojection(rays, "hann"),
        "FBP, Hann, drift removed": lambda: fbp_clean("hann"),
        "CGLS, drift removed": lambda: baselines.cgls(removed(pixels)),
        "TV, one pixel a bin": lambda: tv(pixels),
        "TV, fine pixels": lambda: tv(plain),
        "TV, one pixel a bin, drift removed": lambda: tv(removed(pixels)),
        "TV, fine pixels, drift removed": lambda: tv(removed(raster)),
        "grid + TV, no drift": lambda: inr(plain, "grid", fine, 4e-3, 400),
        "grid + TV, drift learnt": lambda: inr(raster, "grid", fine, 4e-3, 400),
    }
    return methods, report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    folder = os.environ.get("INVERSE_INR_DATA", "../shared/data")
    parser.add_argument("--path", default=f"{folder}/tooth.h5")
    parser.add_argument("--bin", type=int, default=2)
    parser.add_argument(
        "--width", type=int, default=380, help="detector pixels that the object's box spans"
    )
    parser.add_argument("--only", nargs="+", help="methods whose names contain one of these words")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    methods, report = methods_for(arguments.path, arguments.bin, arguments.width)
    print(f"{'method':40s} chi-square   RMS       CPU s", flush=True)
    for name, method in methods.items():
        if arguments.only and not any(word in name for word in arguments.only):
            continue
        began = time.process_time()
        solution = method()
        seconds = time.process_time() - began
        chi2, rms = errors(solution, report)
        print(
            f"{name:40s} {chi2:9.3f}   {rms:.5f} {seconds:8.1f}   {solution.stopped} "
            f"{solution.details.get('held-out by weight', '')}",
            flush=True,
        )


if __name__ == "__main__":
    main()
