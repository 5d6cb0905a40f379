"""Spectra from three colours, alone and fused with a coarse cube: the table of fusion papers.

    python benchmarks/spectral_sr.py [--inputs fresh | chosen] [--problems fusion rgb] [--seeds 1]
                                     [--alone] [--only WORDS]

Inputs are those of `fresh_cases/fusion.py` and `rgb.py`, on which nothing was chosen, or the three
scenes on which settings were chosen ("chosen"). Printed are, for `solve` without knobs and for the
classical methods, which all see the same measurements: PSNR of the cube over its span, mean PSNR of
the bands at a peak of 1, spectral angle, ERGAS at the ratio of pixel sizes, and processor time;
means over seeds. Everything runs on one thread.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

import inverse_inr as ii
from inverse_inr import metrics
from inverse_inr.problems.spectral import fusion, spectral_sr

Make = Callable[[int], ii.Problem]
LEFT_OUT = ("interpolated",)
"""Baselines that know one of two images only."""


def scores(problem: ii.Problem, solution: ii.Solution) -> list[float]:
    """PSNR over the span (dB), mean PSNR of the bands (dB), angle (degrees), ERGAS."""
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid)[..., 0]
    cube = solution.sample()[..., 0]
    ratio = 1.0
    if len(problem.terms) == 2:
        operator = problem.terms[1].operator
        assert isinstance(operator, ii.OnGrid)
        ratio = operator.shape[0] / truth.shape[0]
    return [
        solution.psnr(),
        float(metrics.band_psnr(cube, truth).mean()),
        metrics.spectral_angle(cube, truth),
        metrics.ergas(cube, truth, ratio=ratio),
    ]


def inputs(kind: str, which: str) -> Iterator[tuple[str, Make]]:
    """Names of inputs, and functions from a seed to the problem."""
    if which == "fresh":
        for case in importlib.import_module(f"fresh_cases.{kind}").cases():
            yield case.name, case.make
        return
    make = {"fusion": fusion, "rgb": spectral_sr}[kind]
    for scene in ("astronaut", "coffee", "cat"):
        yield scene, partial(_with_seed, make, scene)


def _with_seed(make: Callable[..., ii.Problem], scene: str, seed: int) -> ii.Problem:
    return make(scene, seed=seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", choices=("fresh", "chosen"), default="fresh")
    parser.add_argument("--problems", nargs="*", default=["fusion", "rgb"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="inputs with these words in their name")
    parser.add_argument(
        "--alone", action="store_true", help="the suggested fit, without a decision by `solve`"
    )
    words = parser.parse_args()
    torch.set_num_threads(1)
    for kind in words.problems:
        means: dict[str, list[list[float]]] = {}
        for name, make in inputs(kind, words.inputs):
            if words.only not in name:
                continue
            print(f"{kind}: {name}", flush=True)
            found: dict[str, list[list[float]]] = {}
            for seed in range(words.seeds):
                problem = make(seed)
                methods = {
                    k: m for k, m in problem.suggested.baselines.items() if k not in LEFT_OUT
                }
                methods["solve(problem)"] = partial(ii.solve, callbacks=[])
                if words.alone:
                    del methods["solve(problem)"]
                    methods["offset"] = lambda problem: ii.Solver(problem).run()
                for method, answer in methods.items():
                    began = time.process_time()
                    solution = answer(problem)
                    seconds = time.process_time() - began
                    found.setdefault(method, []).append([*scores(problem, solution), seconds])
            for method, rows in found.items():
                means.setdefault(method, []).append(_row(method, rows))
        print(f"{kind}: mean over {words.inputs} inputs")
        for method, rows in means.items():
            _row(method, rows)


def _row(method: str, rows: list[list[float]]) -> list[float]:
    """Print the means of some rows, and return them."""
    mean = torch.tensor(rows).mean(0).tolist()
    psnr, bands, angle, ergas, seconds = mean
    print(
        f"  {method:24s} {psnr:6.2f} dB  bands {bands:6.2f} dB  SAM {angle:5.2f}  "
        f"ERGAS {ergas:6.2f}  {seconds:5.1f} s",
        flush=True,
    )
    return mean


if __name__ == "__main__":
    main()
