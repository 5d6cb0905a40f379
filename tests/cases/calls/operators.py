"""Good calls of operators, noise models, fidelities, problems and configs, for `judge.py`."""

from __future__ import annotations

import math
from typing import Any

import torch
from cases.calls.judge import Good

import inverse_inr as ii
from inverse_inr import Box, Grid, fidelity, noise, operators
from inverse_inr.operators.ct.beam.materials import BONE, WATER
from inverse_inr.operators.ct.beam.spectrum import Spectrum

SQUARE = Box((-1.0, -1.0), (1.0, 1.0))
CUBE = Box((-1.0,) * 3, (1.0,) * 3)
GRID = Grid(SQUARE, (8, 8))
WAVES = torch.tensor([500.0, 550.0, 600.0])


def bump(points: torch.Tensor) -> torch.Tensor:
    """A smooth field of one channel."""
    return torch.exp(-points.square().sum(-1, keepdim=True))


def vectors(points: torch.Tensor) -> torch.Tensor:
    """A smooth field of as many channels as axes."""
    return points * bump(points)


def seen(field: Any) -> Any:
    """Asks an operator for its first two rows."""

    def ask(operator: Any) -> torch.Tensor:
        return torch.as_tensor(ii.predict(operator, field, torch.arange(min(2, len(operator)))))

    return ask


def noise_models() -> list[Good]:
    generator = torch.Generator().manual_seed(0)

    def judged(model: Any) -> Any:
        mean = torch.full((4,), 0.5)
        y = model.sample(mean, generator)
        return [y, model(mean, y), model.standardized(mean, y), *model.least_squares(y)]

    return [
        Good("Gaussian", noise.Gaussian, {"sigma": 0.1}, judged),
        Good("ComplexGaussian", noise.ComplexGaussian, {"sigma": 0.1}),
        Good("Gamma", noise.Gamma, {"looks": 4.0, "floor": 0.01}, judged),
        Good("Poisson", noise.Poisson, {"photons": 1e4, "background": 1.0}, judged),
        Good("Sensor", noise.Sensor, {"photons": 1e3, "readout": 2.0, "efficiency": 0.1}, judged),
        Good("StudentT", noise.StudentT, {"scale": 0.1, "degrees": 4.0}, judged),
        Good("Huber", fidelity.Huber, {"delta": 0.1}, lambda f: f(torch.zeros(3), torch.ones(3))),
        Good("TwoSets", fidelity.TwoSets, {"sigma": 0.1}),
    ]


def tomography() -> list[Good]:
    angles = torch.arange(5) * math.pi / 5
    flat = {"box": SQUARE, "angles": angles, "detectors": 9, "pitch": 0.25, "center": 0.1}
    fine = {"samples": 12, "subrays": 2}
    fan = {"source_distance": 4.0, "detector_distance": 2.0}
    cone = {**flat, "box": CUBE, "detectors": (4, 5), **fan, **fine}
    scikit = {"theta_degrees": [0.0, 45.0, 90.0], "shape": (9, 3), "circle": True}
    inner = operators.ParallelBeam(SQUARE, angles, detectors=9)
    drift = {"operator": inner, "degree": 1}
    return [
        *_physics(inner),
        Good("ParallelBeam", operators.ParallelBeam, {**flat, **fine}, seen(bump)),
        Good("FanBeam", operators.FanBeam, {**flat, **fan, **fine}, seen(bump)),
        Good("ConeBeam", operators.ConeBeam, cone, seen(bump)),
        Good("ConeVectors", operators.ConeVectors, _cone_vectors(), seen(bump)),
        Good("from_scikit_image", operators.from_scikit_image, scikit, seen(bump)),
        Good("DetectorDrift", operators.DetectorDrift, drift, seen(bump)),
        Good(
            "RadialSpokes",
            operators.RadialSpokes,
            {"box": SQUARE, "angles": angles, "frequency": torch.linspace(-2, 2, 5), "rays": 16},
            seen(bump),
        ),
        Good(
            "TravelTimes",
            operators.TravelTimes,
            {
                "box": SQUARE,
                "emitters": torch.tensor([[-1.0, 0.0], [0.0, -1.0]]),
                "receivers": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
                "samples": 8,
            },
            seen(lambda points: 1 + bump(points)),
        ),
    ]


def _physics(inner: Any) -> list[Good]:
    o = operators
    spectrum = Spectrum(torch.tensor([40.0, 80.0]), torch.tensor([1.0, 2.0]))
    hard = {"operator": inner, "spectrum": spectrum, "materials": [WATER, BONE]}
    waves = {"operator": inner, "distances": torch.tensor([0.0, 9.0]), "wavelength": 0.1}
    waves = {**waves, "pitch": 0.25, "ratio": 2.0, "joined": True, "gather": 3}
    still = {"operator": inner, "shift": torch.zeros(5, 1), "pitch": 0.25, "stiffness": 0.1}
    poses = {"scan": inner, "shift": torch.zeros(5, 2), "turn": torch.zeros(5, 1)}
    scatter = {"operator": inner, "degrees": (1, 2), "start": 0.1}
    glow = {"operator": inner, "late": 0.1, "decay": 0.5, "memory": 2}
    blur = {"operator": inner, "psf": o.psf.Gaussian(0.3, 1), "pitch": 0.25}
    return [
        Good(
            "Polychromatic", o.Polychromatic, {**hard, "reference": 70.0, "gather": 3}, seen(bump)
        ),
        Good("Scatter", o.Scatter, scatter, seen(bump)),
        Good("ScintillatorBlur", o.ScintillatorBlur, blur, seen(bump)),
        Good("Afterglow", o.Afterglow, glow, seen(bump)),
        Good("PhaseContrast", o.PhaseContrast, waves, seen(bump)),
        Good("ShiftedViews", o.ShiftedViews, still, seen(bump)),
        Good("MovingObject", o.MovingObject, poses, seen(bump)),
    ]


def _cone_vectors() -> dict[str, Any]:
    row = torch.tensor([[0.0, 0.0, 0.2], [0.0, 0.0, 0.2]])
    return {
        "box": CUBE,
        "source": torch.tensor([[0.0, -4.0, 0.0], [4.0, 0.0, 0.0]]),
        "middle": torch.tensor([[0.0, 2.0, 0.0], [-2.0, 0.0, 0.0]]),
        "across": torch.tensor([[0.2, 0.0, 0.0], [0.0, 0.2, 0.0]]),
        "along": row,
        "detectors": (4, 5),
        "samples": 12,
        "subrays": 2,
    }


def optics() -> list[Good]:
    mask = torch.ones(8, 8, dtype=torch.bool)
    where = GRID.points().reshape(-1, 2)
    o = operators
    response = {"wavelengths": WAVES, "response": torch.ones(3, 2) / 3, "where": GRID}
    line = Grid(Box((-1.0, -1.0, 450.0), (1.0, 1.0, 650.0), ("mm", "mm", "nm")), (4, 4, 3))
    return [
        Good("PointSamples", o.PointSamples, {"points": where}, seen(bump)),
        Good("RandomSamples", o.RandomSamples, {"box": SQUARE, "count": 9, "seed": 0}, seen(bump)),
        Good("Mask", o.Mask, {"mask": mask, "grid": GRID}, seen(bump)),
        Good("random_mask", o.random_mask, {"grid": GRID, "fraction": 0.5, "seed": 0}, seen(bump)),
        Good(
            "striped_mask",
            o.striped_mask,
            {"grid": GRID, "period": 4, "width": 1, "axis": 0, "offset": 0},
            seen(bump),
        ),
        Good("bayer_mask", o.bayer_mask, {"grid": GRID, "pattern": "RGGB"}, names=("channels",)),
        Good(
            "SinglePixel",
            o.SinglePixel,
            {"patterns": torch.ones(3, 8, 8), "grid": GRID},
            seen(bump),
        ),
        Good("Downsample", o.Downsample, {"grid": GRID, "factor": 2}, seen(bump)),
        Good("Laplacian", o.Laplacian, {"where": where}, seen(bump)),
        Good("Gradient", o.Gradient, {"where": where}, seen(bump)),
        Good("Hessian", o.Hessian, {"where": where}, seen(bump)),
        Good("Divergence", o.Divergence, {"where": where}, seen(vectors)),
        Good("Curl", o.Curl, {"where": where}, seen(vectors)),
        Good(
            "NormalDerivative",
            o.NormalDerivative,
            {"where": where, "normals": torch.ones(64, 2)},
            seen(bump),
        ),
        Good(
            "Residual",
            o.Residual,
            {"pde": lambda u: u.laplacian, "where": GRID, "jitter": False},
            seen(bump),
        ),
        Good(
            "Blur",
            o.Blur,
            {"psf": o.psf.Gaussian(0.1), "where": GRID, "quadrature": "gauss", "nodes": 3},
            seen(bump),
        ),
        Good("WarpedImage", o.WarpedImage, {"moving": bump, "where": GRID}, seen(vectors)),
        Good("CodedVideo", o.CodedVideo, _coded_video(), seen(bump)),
        Good("Frames", o.Frames, {"grid": GRID, "kept": (3, 1)}, seen(bump)),
        Good("Values", o.Values, {"points": GRID.points().reshape(-1, 2)}, seen(bump)),
        Good("SpectralResponse", o.SpectralResponse, {**response, "where": line, "nodes": 4}),
    ]


def _coded_video() -> dict[str, Any]:
    box = Box((-1.0, -1.0, 0.0), (1.0, 1.0, 1.0), ("mm", "mm", "s"))
    return {"codes": torch.ones(4, 4, 2), "grid": Grid(box, (4, 4, 2)), "instants": 1}


PROBLEMS: dict[str, dict[str, Any]] = {
    "audio": {"seconds": 0.05, "keep_one_in": 5, "start": 0.0, "rate": 8000, "noise_level": 0.01},
    "ct": {"size": 16, "views": 6, "coverage": 180.0, "noise_level": 0.01, "subrays": 1},
    "ct_hardening": {"size": 16, "views": 6, "voltage": 100.0, "photons": 1e4, "scatter": 0.01},
    "ct_motion": {"motion": "jumps", "amplitude": 1.0, "size": 16, "views": 6, "noise_level": 0.01},
    "ct_phase": {"size": 16, "views": 6, "energy": 12.0, "photons": 1e4, "joined": True},
    "cone": {"size": 8, "views": 4, "coverage": 360.0, "noise_level": 0.01, "rise": 0.0},
    "boundary_value": {"waves": 1.5, "size": 8, "inside": 64, "around": 16, "weight": 1.0},
    "odd_shape": {"waves": 1.5, "size": 8, "inside": 64, "around": 16, "weight": 1.0},
    "inverse_coefficient": {"sensors": 20, "noise_level": 0.01, "size": 8, "inside": 32},
    "diffusivity": {"truth": 0.1, "guess": 1.0, "sensors": 20, "size": 8, "inside": 32},
    "kspace_cine": {"size": 12, "frames": 2, "per_frame": 4, "coils": 2, "noise_level": 0.02},
    "kspace_maps": {"sequence": "spin_echo", "size": 16, "coils": 2, "noise_level": 0.02},
    "kspace": {"size": 32, "acceleration": 2.0, "calibration": 12, "spokes": 4, "coils": 2},
    "fmcw": {"azimuths": 4, "heights": 2, "samples": 32, "radius": 0.5, "reach": 0.4, "snr": 20.0},
    "sar": {"azimuths": 4, "aperture": 3.83, "frequencies": 40, "snr": 20.0, "pitch": 0.5},
    "fmcw_calibration": {"start": "coherence", "pitch": (0.1, 0.1), "snr": 20.0, "weight": 1.0},
    "sar_autofocus": {"size": 1.0, "pulses": 12, "frequencies": 40, "snr": 20.0, "pitch": 0.8},
    "deblur": {"size": 5.0, "angle": 30.0, "noise_level": 0.01, "bin": 16, "rounds": 0},
    "denoise": {"photons": 30.0, "readout": 2.0, "bin": 16, "rounds": 0, "held_out": 0.05},
    "inpaint": {"keep": 0.3, "noise_level": 0.01, "bin": 16, "crop": 16, "rounds": 0},
    "single_pixel": {"fraction": 0.5, "noise_level": 0.01, "bin": 16, "crop": 16},
    "super_resolution": {"factor": 2, "noise_level": 0.01, "bin": 16, "crop": 16, "rounds": 0},
    "video_snapshot": {"frames": 3, "motion": 1.0, "noise_level": 0.01, "bin": 16, "crop": 16},
    "cassi": {"size": 16, "bands": 4},
    "cassi_uncalibrated": {"size": 48, "bands": 4},
    "fusion": {"size": 16, "factor": 4, "bands": 4, "noise_level": 0.01},
    "pushbroom": {"lines": 2, "samples": 16, "bands": 16, "fwhm": 6.0, "noise_level": 0.01},
    "spectral_sr": {"size": 16, "bands": 4, "noise_level": 0.01},
    "video": {"frames": 4, "size": 6, "every": 2, "noise_level": 0.01},
    "shape_cloud": {"path": "sphere", "points": 40, "noise_level": 0.01, "cells": 8, "steps": 2},
    "shape_mesh": {"path": "sphere", "kind": "signed", "margin": 0.2, "cells": 8, "steps": 2},
    "scene": {"size": 6, "views": 4, "samples": 4, "fine": 2, "degree": 1, "hold_out_views": 2},
    "scene_moving": {"size": 6, "views": 4, "samples": 4, "fine": 2, "hold_out_views": 2},
}
"""Small problems, whose seed and sizes are given: all of it is spoilt."""


def problems() -> list[Good]:
    from inverse_inr.problems.catalogue import problems as catalogue

    known = catalogue()
    return [
        Good(name, known[name], {**given, "seed": 0}, lambda problem: problem.terms[0].y)
        for name, given in PROBLEMS.items()
    ]


def configs() -> list[Good]:
    """A config with its keys as table__key."""
    from inverse_inr.command.config import Run

    def made(**keys: Any) -> torch.Tensor:
        tables: dict[str, Any] = {}
        for key, value in keys.items():
            table, _, name = key.rpartition("__")
            tables.setdefault(table, {})[name] = value
        tables["regularizers"] = [tables["regularizers"]]
        run = Run.of(tables)
        run.baselines(run.problem())
        return run.solver(run.problem(), []).solution().sample()

    given = {
        "problem__name": "ct",
        "problem__size": 16,
        "problem__views": 6,
        "prior__name": "grid",
        "prior__cells": 6.0,
        "regularizers__name": "total_variation",
        "regularizers__weight": 1e-3,
        "regularizers__epsilon": 1e-6,
        "stopping__name": "held_out",
        "stopping__fraction": 0.1,
        "stopping__every": 2,
        "optimizer__name": "adam",
        "optimizer__lr": 1e-2,
        "solver__steps": 2,
        "solver__batch": 8,
        "solver__points": 8,
        "solver__operator_lr": 1e-3,
        "solver__seed": 0,
        "solver__chunk": 64,
        "baselines__names": ["FBP"],
    }
    return [Good("config", made, given)]


ROOMS = {
    "noise": noise_models,
    "tomography": tomography,
    "optics": optics,
    "problems": problems,
    "configs": configs,
}
