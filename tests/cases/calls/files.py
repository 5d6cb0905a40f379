"""Good calls of the problems that read files: small files, made in a temporary folder."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import kspace_files, scan, stack
from cases.calls.judge import Good
from cases.command.measured import pushbroom_scan
from cases.radar import F64
from scipy.io import savemat

from inverse_inr.domain import pixel_grid
from inverse_inr.io import PhaseData, write_hdf5, write_image, write_radar
from inverse_inr.operators import RadarGeometry, looking_at
from inverse_inr.problems.catalogue import problems


@cache
def folder() -> Path:
    """The folder of all files, for as long as the process lives."""
    held = tempfile.TemporaryDirectory()
    _HELD.append(held)
    return Path(held.name)


_HELD: list[tempfile.TemporaryDirectory] = []


def _ct_scan() -> dict[str, Any]:
    path = scan.write_scan(folder() / "scan.h5")
    return {"path": str(path), "bin": 2, "every": 6, "air": 4, "size": 12, "center": 0.0, "row": 0}


def _cone_scan() -> dict[str, Any]:
    path = folder() / "cone.npy.h5"
    line = torch.rand(6, 5, 8, generator=torch.Generator().manual_seed(0))
    write_hdf5(path, {"data": line})
    geometry = folder() / "cone.toml"
    geometry.write_text(
        "source_distance = 50\ndetector_distance = 25\npixel = 1.0\nstep = 60\nviews = 6\n"
    )
    given = {"path": str(path), "geometry": str(geometry), "values": "line integrals"}
    return {**given, "bin": 1, "every": 1, "center": 0.0, "width": 4.0, "voxel": 1.0}


def _ct_sinogram() -> dict[str, Any]:
    angles = scan.half_turn(10)
    path = folder() / "sinogram.npz"
    np.savez(path, sinogram=scan.sinogram(angles).numpy(), angles=angles.numpy())
    given = {"path": str(path), "dataset": "sinogram", "angles": "angles", "angle_unit": "radians"}
    return {**given, "noise_level": 0.01, "pitch": 1.0, "center": 0.0, "bin": 2, "size": 12}


def _kspace_scan() -> dict[str, Any]:
    full = kspace_files.scanned()
    path = folder() / "kspace.npy"
    np.save(path, full.numpy())
    return {
        "path": str(path),
        "axes": "coil x y",
        "acceleration": 2.0,
        "sampling": "lines",
        "calibration": 12,
        "hold_out": 0.05,
        "sigma": 0.1,
        "phase": "coils",  # found from the samples it takes seconds
        "finer": 1,
        "weight": 1.0,
        "seed": 0,
    }


def _phase_history() -> dict[str, Any]:
    tones = torch.linspace(9.3e9, 9.9e9, 16, dtype=F64)
    azimuths = torch.linspace(-3, 3, 8, dtype=F64).deg2rad()
    g = RadarGeometry.spotlight(1e4, azimuths, torch.tensor([0.7], dtype=F64))
    target = torch.tensor([0.2, -0.1, 0.0], dtype=F64)
    path = 2 * torch.linalg.vector_norm(g.transmitters - target, dim=1) - g.reference_path
    turns = path[:, None] * tones / 299_792_458.0
    y = torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)
    data = PhaseData(y, tones, g.transmitters, g.transmitters, g.reference_path, -1)
    write_radar(folder() / "echoes.h5", data)
    where = {"center": (0.0, 0.0), "size": (2.0, 2.0), "pitch": 0.2, "height": 0.0}
    return {"path": str(folder() / "echoes.h5"), **where, "every": 1, "weight": 10.0, "snr": 10.0}


def _cassi_real() -> dict[str, Any]:
    simulated = problems()["cassi"](size=16, bands=4)
    term: Any = simulated.terms[0]
    savemat(folder() / "y.mat", {"meas_real": term.y.reshape(16, 22).clamp(min=0).numpy()})
    savemat(folder() / "mask.mat", {"mask": term.operator.camera.mask.numpy()})
    files = {"measurement": str(folder() / "y.mat"), "mask": str(folder() / "mask.mat")}
    model = {"background": 0.0, "noise_level": 0.01, "saturation": 1.0, "hold_out": 0.05}
    return {**files, "bands": 4, "step": 2.0, "axis": 1, "psf": 0.5, **model}


def _slices() -> dict[str, Any]:
    paths = []
    for normal in ("axial", "coronal"):
        affine = stack.affine_of(normal)
        paths.append(stack.saved(folder() / f"{normal}.nii", stack.sampled(affine), affine))
    given = {"thickness": 4.0, "interleave": 2, "resolution": 4.0, "slice_axis": 2, "bias": 0}
    return {"stacks": paths, **given, "motion": True, "gain": True}


def _scene_views() -> dict[str, Any]:
    here = folder() / "views"
    here.mkdir()
    poses = looking_at(torch.tensor([[3.0, 0.0, 1.0], [0.0, 3.0, 1.0]]), torch.zeros(3))
    frames = []
    for k, pose in enumerate(poses.tolist()):
        write_image(here / f"{k}.png", torch.full((4, 6, 3), 0.5), pixel_grid((4, 6)))
        frames.append({"file_path": f"{k}.png", "transform_matrix": pose})
    path = here / "transforms.json"
    path.write_text(json.dumps({"fl_x": 6.0, "frames": frames}))
    given = {"half_width": 1.5, "bin": 1, "every": 1, "samples": 4, "fine": 2, "degree": 1}
    given |= {"background": 1.0, "noise_level": 0.02, "hold_out_views": 2, "cells": 8}
    return {"path": str(path), **given}


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "ct_scan": _ct_scan,
    "ct_sinogram": _ct_sinogram,
    "cone_scan": _cone_scan,
    "kspace_scan": _kspace_scan,
    "phase_history": _phase_history,
    "cassi_real": _cassi_real,
    "slices": _slices,
    "scene_views": _scene_views,
    "pushbroom_scan": lambda: pushbroom_scan(folder()),
}
"""Functions that write the files of a problem, and give its keywords."""


def problems_of_files() -> list[Good]:
    known = problems()
    # that the data are out of focus elsewhere, or the box out of reach, says where one looked
    words = {"phase_history": ("focus", "path to the box"), "cassi_real": ("px apart",)}
    words["scene_views"] = ("sees the box", "hold_out_views", "an image of size")
    return [
        Good(
            name,
            known[name],
            make(),
            lambda problem: problem.terms[0].y,
            names=words.get(name, ()),
        )
        for name, make in FILES.items()
    ]


ROOMS = {"files": problems_of_files}
