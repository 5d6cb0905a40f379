"""Good calls of metrics, analysis, selection and of methods on measurements, for `judge.py`."""

from __future__ import annotations

import math
from typing import Any

import torch
from cases.calls.components import GRID, POINTS, SQUARE, bump, problem
from cases.calls.judge import Good

import inverse_inr as ii
from inverse_inr import Grid, Solver, analysis, metrics, operators, priors, selection, stopping


def metric_calls() -> list[Good]:
    m = metrics
    truth = torch.rand(12, 12, generator=torch.Generator().manual_seed(0)) + 0.5
    image = truth + 0.1
    pair = {"image": image, "reference": truth}
    known = truth > 0.7
    classes = {"labels": known.long(), "reference": known.T.long(), "classes": 2}
    cubes = {"cube": torch.stack([image] * 3, -1), "reference": torch.stack([truth] * 3, -1)}
    return [
        Good("nrmse", m.nrmse, {**pair, "data_range": 1.0, "mask": known}),
        Good("psnr", m.psnr, {**pair, "data_range": 1.0, "mask": known}),
        Good("psnr_of_span", m.psnr_of_span, pair),
        Good("relative_error", m.relative_error, {**pair, "mask": known}),
        Good("span", m.span, {"reference": truth}),
        Good("modulus", m.modulus, {"image": image}, nan_passes=True),
        Good("ssim", m.ssim, {**pair, "data_range": 1.0, "ndim": 2}),
        Good("band_psnr", m.band_psnr, {**cubes, "data_range": 1.0}),
        Good("ergas", m.ergas, {**cubes, "ratio": 1.0}),
        Good("spectral_angle", m.spectral_angle, {**cubes, "mask": known}),
        Good("dice", m.dice, classes),
        Good("iou", m.iou, classes),
    ]


def analysis_calls() -> list[Good]:
    a = analysis
    image = ii.sample(bump, GRID)
    net = priors.siren(SQUARE, width=4, depth=1)
    line = priors.siren(ii.Box((-1.0,), (1.0,)), width=4, depth=1)
    curves = {"activation": torch.sin, "span": (-3.0, 3.0), "samples": 11}
    return [
        Good("activation_curves", a.activation_curves, curves),
        Good("riesz", a.riesz, {"activation": bump_1d, "spacing": 1.0, "reach": 8, "samples": 16}),
        Good(
            "spectrum",
            a.spectrum,
            {"image": image, "bins": 3, "box": SQUARE, "variant": "published"},
        ),
        Good("Bins", a.Bins, {"grid": GRID, "count": 3, "variant": "published"}),
        Good("distance", a.distance, {"first": torch.ones(3), "second": 2 * torch.ones(3)}),
        Good("features", a.features, {"prior": net}),
        Good(
            "embedding_singular_values",
            a.embedding_singular_values,
            {"embedding": net, "points": POINTS},
            names=("points",),
        ),
        Good(
            "local_lipschitz",
            a.local_lipschitz,
            {"embedding": net, "points": POINTS},
            names=("points",),
        ),
        Good("ntk_spectrum", a.ntk_spectrum, {"prior": net, "points": POINTS, "chunk": 2}),
        Good(
            "harmonics",
            a.harmonics,
            {"field": torch.sin, "frequencies": torch.tensor([1.0]), "order": 3, "samples": 64},
        ),
        Good("periodic_line", a.periodic_line, {"prior": line, "period": 4}),
        Good("measured_band", a.measured_band, _band()),
        Good(
            "choose_bandwidth",
            a.choose_bandwidth,
            {
                "problem": problem(),
                "prior": "siren",
                "bandwidths": [4.0, 8.0],
                "seeds": 1,
                "bins": 3,
                "variant": "published",
                "refine": 1,
            },
        ),
    ]


def _band() -> dict[str, Any]:
    return {"problem": problem(), "iterations": 3, "bins": analysis.Bins(GRID, 3), "least": 0.5}


def bump_1d(z: torch.Tensor) -> torch.Tensor:
    """A Gaussian activation."""
    return torch.exp(-z.square())


def selection_calls() -> list[Good]:
    def fit(weight: float) -> Any:
        prior = priors.grid(SQUARE, cells=4)
        rule = stopping.HeldOut(fraction=0.2, every=1)
        return Solver(problem(), prior, stopping=rule, steps=2).run()

    return [
        Good(
            "choose_weight",
            selection.choose_weight,
            {"weights": [0.1, 0.2], "fit": fit, "groups": 4},
        ),
        Good("choose", selection.choose, {"solutions": [fit(0.1), fit(0.2)], "groups": 4}),
    ]


def classical_calls() -> list[Good]:
    o = operators
    angles = torch.arange(24) * math.pi / 12
    fine = Grid(SQUARE, (8, 8))
    beam = o.ParallelBeam(SQUARE, angles, detectors=9)
    y = ii.predict(beam, bump)
    cone = o.ConeBeam(ii.Box((-1.0,) * 3, (1.0,) * 3), angles, (5, 5), 4.0, 2.0)
    volume = Grid(ii.Box((-1.0,) * 3, (1.0,) * 3), (4, 4, 4))
    views = y.reshape(24, 9)
    block = torch.ones(2, 6, 6, dtype=torch.complex64)
    spokes = o.radial_trajectory(fine, 6)
    mask = {"shape": (16, 16), "acceleration": 2.0, "calibration": 4, "seed": 0}
    return [
        Good("fbp", o.fbp, {"operator": beam, "y": y, "grid": fine, "window": "ram-lak"}),
        Good(
            "fdk",
            o.fdk,
            {"operator": cone, "y": torch.ones(len(cone)), "grid": volume, "window": "ram-lak"},
        ),
        Good("center_of_rotation", o.center_of_rotation, {"views": views, "angles": angles}),
        Good("line_mask", o.line_mask, {**mask, "axis": -1, "pattern": "random"}),
        Good("poisson_disc_mask", o.poisson_disc_mask, {**mask, "slope": 1.5}),
        Good("variable_density_mask", o.variable_density_mask, {**mask, "power": 2.0}),
        Good(
            "birdcage_maps",
            o.birdcage_maps,
            {"box": SQUARE, "coils": 2, "radius": 1.5, "modes": 2},
            lambda maps: maps(POINTS.double()),
        ),
        Good(
            "radial_trajectory",
            o.radial_trajectory,
            {"grid": fine, "spokes": 6, "samples": 8, "golden": True, "first": 0},
        ),
        Good(
            "spiral_trajectory",
            o.spiral_trajectory,
            {"grid": fine, "interleaves": 2, "samples": 64, "density": 1.0, "golden": False},
        ),
        Good(
            "density_compensation",
            o.density_compensation,
            {"trajectory": spokes, "grid": fine, "iterations": 2},
        ),
        Good("radial_density", o.radial_density, {"trajectory": spokes}),
        Good(
            "espirit_maps",
            o.espirit_maps,
            {"calibration": block, "grid": fine, "kernel": 3, "threshold": 0.02},
        ),
        Good("low_resolution_maps", o.low_resolution_maps, {"calibration": block, "grid": fine}),
        Good(
            "PolynomialMaps",
            o.PolynomialMaps,
            {"box": SQUARE, "coils": 2, "degree": 2, "constant": 0.0},
            lambda maps: maps(POINTS).detach(),
        ),
        Good("transducer_ring", o.transducer_ring, {"count": 4, "radius": 1.0, "start": 0.0}),
        Good("HadamardPatterns", o.HadamardPatterns, {"grid": fine, "count": 5}),
        Good("FourierPatterns", o.FourierPatterns, {"grid": fine, "count": 5, "both": False}),
        Good("box_boundary", o.box_boundary, {"box": SQUARE, "count": 9, "seed": 0}),
        Good("centred_box", o.centred_box, {"shape": (4, 5), "spacing": (1.0, 2.0)}),
        Good("HyperElastic", o.HyperElastic, {"length": 1.0, "area": 1.0, "floor": 0.1}),
    ]


ROOMS = {
    "metrics": metric_calls,
    "analysis": analysis_calls,
    "selection": selection_calls,
    "classical": classical_calls,
}
