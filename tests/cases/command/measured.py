"""Small files of measurements, for the problems that read files: each writes into a folder."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from cases.kspace_files import scanned
from cases.scan import half_turn, sinogram, write_scan
from cases.stack import affine_of, sampled, saved

from inverse_inr import Box, Grid
from inverse_inr.io import PhaseData, write_image, write_radar
from inverse_inr.operators import Cameras, ConeBeam, RadarGeometry
from inverse_inr.phantoms import Ellipsoids
from inverse_inr.problems.scene.simulated import around, photographed, table_top

F64 = torch.float64


def ct_scan(folder: Path) -> dict[str, Any]:
    return {
        "path": str(write_scan(folder / "scan.h5")),
        "bin": 4,
        "every": 6,
        "center": 0.0,
        "hold_out_views": 3,
    }


def ct_sinogram(folder: Path) -> dict[str, Any]:
    angles = half_turn(12)
    np.save(folder / "line.npy", sinogram(angles).numpy())
    np.savetxt(folder / "angles.txt", angles.rad2deg().numpy())
    path = str(folder / "line.npy")
    return {"path": path, "angles": str(folder / "angles.txt"), "bin": 4, "noise_level": 0.01}


def cone_scan(folder: Path) -> dict[str, Any]:
    """Projections of an ellipsoid in counts, and a geometry file."""
    views, shape = 12, (8, 10)
    field = Ellipsoids(
        torch.tensor([[0.25, -0.2, 0.1]]),
        torch.tensor([[0.5, 0.4, 0.6]]),
        torch.eye(3).expand(1, 3, 3),
        torch.ones(1),
    )
    angles = torch.arange(views, dtype=F64) * 2 * math.pi / views
    beam = ConeBeam(Box((-1.0,) * 3, (1.0,) * 3, ("mm",) * 3), angles, shape, 5.0, 2.5, 0.3)
    line = field.line_integral(*beam.rays(torch.arange(len(beam)), 2)).mean(1)
    counts = beam.unflatten(50000 * torch.exp(-line)).numpy().astype(np.uint16)
    tifffile.imwrite(folder / "scan.tif", counts)
    tifffile.imwrite(folder / "white.tif", np.full(shape, 50000, np.uint16))
    (folder / "geometry.toml").write_text(
        "source_distance = 5.0\ndetector_distance = 2.5\npixel = 0.3\n"
        f'unit = "mm"\nstep = {360 / views}\nviews = {views}\n'
    )
    return {
        "path": str(folder / "scan.tif"),
        "geometry": str(folder / "geometry.toml"),
        "white": str(folder / "white.tif"),
        "hold_out_views": 4,
    }


def kspace_scan(folder: Path) -> dict[str, Any]:
    np.save(folder / "k.npy", scanned().numpy())
    return {"path": str(folder / "k.npy"), "acceleration": 2.0, "calibration": 12}


def phase_history(folder: Path) -> dict[str, Any]:
    """Echoes of one point."""
    target = torch.tensor([0.5, -0.4, 0.0], dtype=F64)
    tones = torch.linspace(9.3e9, 9.9e9, 24, dtype=F64)
    azimuths = torch.linspace(-3, 3, 12, dtype=F64).deg2rad()
    g = RadarGeometry.spotlight(1e4, azimuths, torch.tensor([0.7], dtype=F64))
    path = 2 * torch.linalg.vector_norm(g.transmitters - target, dim=1) - g.reference_path
    turns = path[:, None] * tones / 299_792_458.0
    y = torch.polar(torch.ones_like(turns), -2 * math.pi * turns).to(torch.complex64)
    data = PhaseData(y, tones, g.transmitters, g.transmitters, g.reference_path, -1)
    write_radar(folder / "a.h5", data)
    return {"path": str(folder / "a.h5"), "size": [3.0, 3.0], "pitch": 0.25}


def scene_views(folder: Path) -> dict[str, Any]:
    """Pictures and a transforms.json as NeRF's data has them."""
    cameras = Cameras(around(4), (6, 8), 9.0)
    colours = photographed(table_top(), cameras, torch.ones(3), 1).reshape(4, 6, 8, 3)
    frames = []
    for k, picture in enumerate(colours.float()):
        write_image(folder / f"r_{k}.png", picture, Grid(Box((0.0, 0.0), (6.0, 8.0)), (6, 8)))
        pose = torch.cat([cameras.poses[k], torch.tensor([[0.0, 0.0, 0.0, 1.0]])]).tolist()
        frames.append({"file_path": f"./r_{k}", "transform_matrix": pose})
    content = {"camera_angle_x": 2 * math.atan(0.5 * 8 / 9.0), "frames": frames}
    (folder / "transforms.json").write_text(json.dumps(content))
    path = str(folder / "transforms.json")
    return {"path": path, "hold_out_views": 2, "samples": 6, "fine": 2, "cells": 6}


def slices(folder: Path) -> dict[str, Any]:
    stacks = []
    for normal in ("axial", "sagittal"):
        affine = affine_of(normal, 0.2)
        stacks.append(saved(folder / f"{normal}.nii", sampled(affine), affine))
    return {"stacks": stacks, "resolution": 6.0}


def cassi_real(folder: Path) -> dict[str, Any]:
    from scipy.io import savemat

    from inverse_inr.problems.spectral import cassi

    simulated = cassi(size=20, bands=4)
    camera: Any = simulated.terms[0].operator
    y = simulated.terms[0].y.reshape(20, 26).clamp(min=0)
    savemat(folder / "y.mat", {"meas_real": y.numpy()})
    savemat(folder / "m.mat", {"mask": camera.camera.mask.numpy()})
    paths = {"measurement": str(folder / "y.mat"), "mask": str(folder / "m.mat")}
    return {**paths, "bands": 4, "noise_level": 0.01}


def pushbroom_scan(folder: Path) -> dict[str, Any]:
    """An ENVI cube of three lines, and the spectrum of the light."""
    nm = np.arange(600.0, 1001.0, 2.0)
    np.savetxt(folder / "light.txt", np.stack([nm, 1 + 0.2 * np.cos(nm / 9)], 1))
    box = Box((0.0, 0.0, 650.0), (3.0, 16.0, 950.0), ("px", "px", "nm"))
    write_image(folder / "cube.hdr", torch.rand(3, 16, 16, 1) + 1, Grid(box, (3, 16, 16)))
    paths = {"path": str(folder / "cube.hdr"), "light": str(folder / "light.txt")}
    return {**paths, "fwhm": 6.0, "noise_level": 0.01, "size": 16}


FILES: dict[str, Callable[[Path], dict[str, Any]]] = {
    function.__name__: function
    for function in (
        ct_scan,
        ct_sinogram,
        cone_scan,
        kspace_scan,
        phase_history,
        scene_views,
        slices,
        cassi_real,
        pushbroom_scan,
    )
}
"""By the name of the problem: writes its files into a folder and gives the problem's keywords."""
