"""Which held-out pixels rank cubes of one snapshot as their truth does?

`python benchmarks/cassi_real.py --criteria` runs it. Every method is fitted without the held-out
pixels of each kind, behind the true camera:

    pixels     6 % of the detector, each on its own
    runs       20 pixels of one dispersion line
    columns    whole columns of the detector
    blocks     6 x 6 pixels

"second snapshot" is the misfit of another exposure of the same camera: what unbiased risk
estimates (SURE) estimate. "another mask" moves the mask by many pixels between two exposures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr.noise import Noise
from inverse_inr.operators import CASSI, CassiOnGrid
from inverse_inr.problems.spectral import TrueCamera, cassi_uncalibrated
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.measured import Modelling
from inverse_inr.stopping import HeldOut

Quality = Callable[[ii.Problem, ii.Solution], tuple[float, float]]
KINDS = ("pixels", "runs", "columns", "blocks")
BACKGROUND = 0.01


def compared(scenes: list[int], quality: Quality) -> None:
    """Print every candidate, and how each criterion ranks them."""
    found: dict[str, list[tuple[float, float]]] = {}
    for ground in ("dark", "bright"):
        for scene in scenes:
            for name, rank, loss in _of_scene(ground, scene, quality):
                found.setdefault(name, []).append((rank, loss))
                print(f"{ground} {scene} {name}: rank {rank:.2f}, loses {loss:.2f} dB", flush=True)
    for name, pairs in found.items():
        ranks, losses = torch.tensor(pairs).unbind(1)
        print(
            f"{name:16} mean rank correlation {float(ranks.mean()):5.2f} (least "
            f"{float(ranks.min()):5.2f}), first choice loses {float(losses.mean()):.2f} dB (most "
            f"{float(losses.max()):.2f})"
        )


def _of_scene(ground: str, scene: int, quality: Quality) -> Iterator[tuple[str, float, float]]:
    still = TrueCamera((0.0, 0.0), 0.0, 0.0, 0.6, BACKGROUND)
    modelling = Modelling(register=False, psf=0.6, background=BACKGROUND)
    problem = cassi_uncalibrated(
        ground,  # type: ignore[arg-type]
        scene=scene,
        seed=scene,
        camera=still,
        modelling=modelling,
    )
    camera = problem.terms[0].operator
    assert isinstance(camera, CassiOnGrid)
    old = camera.camera
    turned = CASSI(
        old.box, old.mask.roll((13, 29), (0, 1)), old.wavelengths, old.dispersion, psf=0.6
    ).on(old.bands)
    assert problem.reference is not None
    truth = ii.sample(problem.reference, problem.grid)[..., 0]
    again = _exposure(problem, camera, truth, 1)
    other = _exposure(problem, turned, truth, 2)
    seconds: dict[str, list[tuple[float, float]]] = {"second snapshot": [], "another mask": []}
    for kind in KINDS:
        rows = _rows(kind, camera.shape)
        rows = rows[torch.isin(rows, problem.terms[0].trusted)]
        rule = HeldOut(rows=[rows])
        split = replace(problem, suggested=replace(problem.suggested, stopping=rule))
        scores = []
        for name, solve in _methods(split).items():
            solution = solve(split)
            psnr, angle = quality(split, solution)
            cube = solution.sample()[..., 0]
            seen = camera.snapshot(cube).flatten()
            here = _misfit(problem, seen[rows], problem.terms[0].y[rows])
            scores.append((here, psnr))
            print(f"   {ground} {scene} {kind} {name}: {here:.2f}, {psnr:.2f} dB, {angle:.1f}°")
            if kind == "pixels":
                seconds["second snapshot"].append((_misfit(problem, seen, again), psnr))
                value = _misfit(problem, turned.snapshot(cube).flatten(), other)
                seconds["another mask"].append((value, psnr))
        yield kind, *_judged(scores)
    for name, pairs in seconds.items():
        yield name, *_judged(pairs)


def _methods(problem: ii.Problem) -> dict[str, Callable[[ii.Problem], ii.Solution]]:
    options = {"components": 8}
    peaky = replace(
        problem,
        suggested=replace(
            problem.suggested,
            prior="spectral_basis",
            options=options | {"head": "sparse", "smooth": 4.0},
            lr=0.2,
            steps=300,
        ),
    )
    smooth = replace(
        problem,
        suggested=replace(
            problem.suggested,
            prior="spectral_basis",
            options=options | {"head": "softplus", "smooth": 1.0},
            lr=0.05,
            steps=300,
        ),
    )
    methods: dict[str, Callable[[ii.Problem], ii.Solution]] = {
        "separable": partial(ii.solve, callbacks=[]),
        "spectral_basis, peaky": lambda _: ii.solve(peaky, callbacks=[]),
        "spectral_basis, smooth": lambda _: ii.solve(smooth, callbacks=[]),
    }
    for strength in (1.6, 0.4, 0.1):
        methods[f"GAP-TV {strength}"] = partial(gap_tv, strengths=(strength,), iterations=60)
    methods["ADMM-TV 0.1"] = partial(admm_tv, strengths=(0.1,), iterations=60)
    return methods


def _rows(kind: str, shape: tuple[int, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    height, width = shape
    if kind == "pixels":
        out = torch.rand(height, width, generator=generator) < 0.06
    elif kind == "columns":
        out = (torch.rand(width, generator=generator) < 0.06).expand(height, width)
    elif kind == "blocks":
        blocks = torch.rand(-(-height // 6), -(-width // 6), generator=generator) < 0.06
        out = blocks.repeat_interleave(6, 0).repeat_interleave(6, 1)[:height, :width]
    else:
        starts = torch.rand(height, width, generator=generator) < 0.003
        out = starts.clone()
        for k in range(1, 20):
            out[:, k:] |= starts[:, :-k]
    return out.flatten().nonzero()[:, 0]


def _exposure(problem: ii.Problem, camera: CassiOnGrid, truth: Tensor, seed: int) -> Tensor:
    model = problem.terms[0].fidelity
    assert isinstance(model, Noise)
    mean = camera.snapshot(truth).flatten()
    return model.sample(mean, torch.Generator().manual_seed(1000 + seed))


def _misfit(problem: ii.Problem, prediction: Tensor, y: Tensor) -> float:
    model = problem.terms[0].fidelity
    assert isinstance(model, Noise)
    return float(model.standardized(prediction, y).square().mean())


def _judged(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    """Rank correlation of misfit and -PSNR, and PSNR lost by the candidate of least misfit."""
    misfits, psnrs = torch.tensor(pairs).unbind(1)
    ranks = [x.argsort().argsort().double() for x in (misfits, -psnrs)]
    a, b = (r - r.mean() for r in ranks)
    rank = float((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt())
    return rank, float(psnrs.max() - psnrs[misfits.argmin()])
