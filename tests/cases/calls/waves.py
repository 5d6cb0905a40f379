"""Good calls of radar, slices, spectral cameras and surfaces, for `judge.py`."""

from __future__ import annotations

from typing import Any

import torch
from cases import mesh, radar, slice, spectral
from cases.calls.judge import Good
from cases.calls.operators import CUBE, bump, seen

from inverse_inr import Box, Grid, operators, priors, surfaces
from inverse_inr.operators import dispersion

F64 = torch.float64
SCENE = Box((-0.04,) * 3, (0.04,) * 3, ("m",) * 3)
NEAR = Grid(SCENE, (3, 3, 3))


def reflectivity(points: torch.Tensor) -> torch.Tensor:
    """A smooth field of one channel on the radar's box."""
    return torch.exp(-25 * points.square().sum(-1, keepdim=True))


def radar_operators() -> list[Good]:
    o = operators
    geometry = radar.bistatic(3)
    chirp = {"start_frequency": 8e9, "slope": 3e14, "sample_rate": 5e6, "samples": 64}
    tones = torch.linspace(9e9, 10e9, 9, dtype=F64)
    place = {"box": SCENE, "geometry": geometry}
    at = {"points": NEAR, "basis": "point", "degree": 0}
    history = o.PhaseHistory(**place, frequencies=tones, points=NEAR)
    image = {
        "box": radar.NEAR,
        "incidence": torch.tensor([0.8, 0.9], dtype=F64),
        "azimuth": torch.tensor([0.0, 1.0], dtype=F64),
        "shape": (4, 5),
        "pitch": 0.1,
        "samples": 1,
        "lines": 2,
        "degree": 0,
        "law": "linear",
        "attenuation": True,
    }
    antennas = {
        "transmitters": torch.ones(3, 3, dtype=F64),
        "receivers": 2 * torch.ones(3, 3, dtype=F64),
        "sign": 1,
        "reference_path": 0.5,
    }
    echoes = torch.ones(3, 9, dtype=torch.complex128)
    focus = {"operator": history, "y": echoes, "points": NEAR, "weights": torch.ones(3, 9)}
    density = lambda x: 1 + x[..., :2].square()  # noqa: E731
    return [
        Good("Chirp", o.Chirp, {**chirp, "start_time": 1e-6}),
        Good("RadarGeometry", o.RadarGeometry, antennas),
        Good(
            "FMCW",
            o.FMCW,
            {**place, "chirp": radar.SLOW, "window": "rect", "readout": "bins", **at},
            seen(reflectivity),
        ),
        Good(
            "PhaseHistory",
            o.PhaseHistory,
            {**place, "frequencies": tones, "spreading": "none", **at},
            seen(reflectivity),
        ),
        Good(
            "FarField",
            o.FarField,
            {**place, "frequencies": tones, "tolerance": 1e3, **at},
            seen(reflectivity),
        ),
        Good(
            "PulseErrors",
            o.PulseErrors,
            {"radar": history, "phases": torch.zeros(3), "ranges": torch.zeros(3), "learnt": True},
            seen(reflectivity),
        ),
        Good(
            "ChannelErrors",
            o.ChannelErrors,
            {
                "radar": history,
                "array": o.VirtualArray(1, 3),
                "gains": torch.ones(3),
                "phases": torch.zeros(3),
                "delays": torch.zeros(3),
                "gauge": "mean",
                "learnt": True,
            },
            seen(reflectivity),
        ),
        Good(
            "VirtualArray", o.VirtualArray, {"transmitters": 2, "receivers": 3, "separable": True}
        ),
        Good("Occluded", o.Occluded, {"operator": history, "step": 1.0}),
        Good("SarImage", o.SarImage, image, seen(density)),
        Good("backproject", o.backproject, {**focus, "interpolate": True, "oversampling": 4}),
    ]


def slice_operators() -> list[Good]:
    slices = slice.slices(2)
    volume = slice.blob(40 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    acquisition = {
        "box": slice.BOX,
        "slices": slices,
        "psf": "gaussian",
        "nodes": 8,
        "draws": 8,
        "motion": False,
        "gain": False,
        "bias": 0,
    }
    stack = {"poses": slices.poses, "shape": (5, 4), "pixel": (1.0, 1.5), "thickness": 3.0}
    return [
        Good("SliceAcquisition", operators.SliceAcquisition, acquisition, seen(volume)),
        Good("of_stack", operators.Slices.of_stack, stack, names=("Slices",)),
        Good("Slices.join", operators.Slices.join, {"parts": [slices, slices]}, names=("join",)),
    ]


def spectral_operators() -> list[Good]:
    o = operators
    waves = spectral.bands(4)
    law = dispersion.steps(waves, 1.0)
    scene = spectral.box(5, 6)
    table = {"wavelengths": waves, "shifts": torch.arange(4, dtype=F64)}
    prism = {"apex": 0.5, "focal": 50.0, "pitch": 0.05, "reference": 450.0}
    rgb = torch.full((3, 3, 4), 0.5, dtype=F64)
    frames = Grid(CUBE, (2, 3, 4))

    def cube(points: torch.Tensor) -> torch.Tensor:
        return (points[..., 2:] - 400) / 300

    def shifted(of: Any) -> torch.Tensor:
        return of(waves).detach()

    camera = {
        "box": scene,
        "mask": spectral.rand(5, 6),
        "wavelengths": waves,
        "dispersion": law,
        "mode": "single",
        "axis": 1,
    }
    place = {"rotation": 0.1, "position": 1.0, "shift": torch.zeros(2)}
    variation = {"grid": Grid(scene, (5, 6, 4)), "stride": 2, "epsilon": 1e-4}
    return [
        Good("CASSI", o.CASSI, camera, seen(cube)),
        Good("CassiOnGrid", o.CassiOnGrid, {"camera": o.CASSI(**camera)}),
        Good("Placement", o.Placement, place),
        Good("PushBroom", o.PushBroom, {"grid": frames, "fwhm": 0.5, "stray": 0.1, "nodes": 2}),
        Good("BandTotalVariation", o.BandTotalVariation, variation),
        Good("Table", dispersion.Table, table, shifted),
        Good(
            "Polynomial",
            dispersion.Polynomial,
            {"coefficients": [0.0, 1.0], "reference": 450.0},
            shifted,
        ),
        Good(
            "Cauchy", dispersion.Cauchy, {"coefficients": [0.0, 1.0], "reference": 500.0}, shifted
        ),
        Good("ThinPrism", dispersion.ThinPrism, prism, shifted),
        Good("steps", dispersion.steps, {"wavelengths": waves, "pixels": 1.0}, shifted),
        Good("cie_xyz", o.cie_xyz, {"wavelengths": waves}),
        Good("linear_srgb", o.linear_srgb, {"wavelengths": waves}),
        Good("daylight", o.daylight, {"wavelengths": waves}),
        Good(
            "render_srgb",
            o.render_srgb,
            {"cube": rgb, "wavelengths": waves, "reflectance": True, "white": 1.0},
        ),
        Good("encode_srgb", o.encode_srgb, {"linear": rgb}, nan_passes=True),
    ]


def surface_parts() -> list[Good]:
    s = surfaces
    grid = Grid(mesh.BOX, (6, 6, 6))
    directions = torch.nn.functional.normalize(
        torch.randn(20, 3, dtype=F64, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    cloud = mesh.CENTER + mesh.RADIUS * directions
    volume = (mesh.sphere(grid.points().double()) < 0).double()[..., 0]

    def penalty(regularizer: Any) -> torch.Tensor:
        return regularizer(mesh.sphere, grid.points().reshape(-1, 3)[:9].double()).detach()

    on = {"points": cloud, "normals": directions, "scale": 1.0, "count": 8}
    errors = {"reach": 0.01, "truth": cloud}
    start = {"box": mesh.BOX, "radius": 0.05, "strength": 0.1}
    prior = priors.siren(mesh.BOX, width=4, depth=1)
    draw = {"count": 9, "generator": torch.Generator(), "reaches": (0.1, 0.2), "far": 0.3}
    return [
        Good("cloud_normals", s.cloud_normals, {"points": cloud, "reach": 0.1}),
        Good("project", s.project, {"distance": mesh.sphere, "points": cloud, "steps": 2}),
        Good("spread", s.spread, {"points": cloud, "normals": directions}),
        Good("SignedDistance", s.SignedDistance, {**start, "correction": "siren"}),
        Good("Occupancy", s.Occupancy, {**start, "prior": prior, "softness": 0.01}),
        Good("near_and_far", s.near_and_far, {"cloud": cloud, "box": mesh.BOX, **draw}),
        Good("distance_to_cloud", s.distance_to_cloud, {"cloud": cloud, "points": cloud + 0.01}),
        Good("distance_to_sheet", s.distance_to_sheet, {"cloud": cloud, "points": cloud + 0.01}),
        Good("start_radius", s.start_radius, {"points": cloud, "box": mesh.BOX}),
        Good("ClampedL1", s.ClampedL1, {"limit": 0.1}, lambda made: made(cloud, cloud + 0.1)),
        Good("winding_number", s.winding_number, {"mesh": mesh.TETRAHEDRON, "points": cloud}),
        Good("inside", s.inside, {"mesh": mesh.TETRAHEDRON, "points": cloud}, lambda made: None),
        Good(
            "distance_to",
            s.distance_to,
            {"mesh": mesh.TETRAHEDRON, "points": cloud, "candidates": 4},
        ),
        Good(
            "open_surface",
            s.open_surface,
            {"field": lambda p: mesh.sphere(p).abs(), "grid": grid, "slack": 1.1},
        ),
        Good(
            "normal_consistency",
            s.normal_consistency,
            {"mesh": mesh.TETRAHEDRON, "points": cloud, "normals": directions, "count": 20},
            lambda made: None,
        ),
        Good(
            "intersection_over_union",
            s.intersection_over_union,
            {"first": mesh.sphere, "second": mesh.sphere, "box": mesh.BOX, "count": 500},
            lambda made: None,
        ),
        Good("Mesh", s.Mesh, {"vertices": cloud, "faces": torch.tensor([[0, 1, 2]])}),
        Good(
            "level_set",
            s.level_set,
            {"field": mesh.sphere, "grid": grid, "level": 0.0, "inside": "below"},
        ),
        Good(
            "mesh_errors",
            s.mesh_errors,
            {
                "mesh": mesh.TETRAHEDRON,
                "distance": mesh.sphere,
                "truth": cloud,
                "count": 20,
            },
        ),
        Good("occupied", s.occupied, {"volume": volume, "grid": grid, "threshold": 0.5}),
        Good("shape_errors", s.shape_errors, {"points": cloud, **errors}),
        Good(
            "volume_errors",
            s.volume_errors,
            {"volume": volume, "grid": grid, **errors, "thresholds": (0.2, 0.5)},
            lambda made: None,
        ),
        Good("NearSurface", s.NearSurface, {"grid": grid, "length": 0.1}, penalty),
        Good("OffSurface", s.OffSurface, {"length": 0.1}, penalty),
        Good("OnSurface", s.OnSurface, on, penalty),
        Good("IsoPoints", s.IsoPoints, {**on, "steps": 2}, penalty),
    ]


def scene_operators() -> list[Good]:
    places = torch.tensor([[3.0, 0.0, 0.5], [0.0, -3.0, 0.5]])
    poses = operators.looking_at(places, torch.zeros(3))
    eyes = {"poses": poses, "size": (3, 4), "focal": 6.0, "principal": (2.0, 1.5)}
    cameras = operators.Cameras(**eyes)

    def scene(points: torch.Tensor) -> torch.Tensor:
        return torch.cat([bump(points)] * 4, -1)

    rendering = {
        "box": CUBE,
        "cameras": cameras,
        "samples": 6,
        "fine": 4,
        "background": 0.5,
        "degree": 0,
    }
    long = Box((*CUBE.lower, 0.0), (*CUBE.upper, 1.0))
    moving = {**rendering, "box": long, "times": torch.tensor([0.2, 0.7])}
    return [
        Good("Cameras", operators.Cameras, eyes, lambda c: c.rays(torch.arange(3))[1]),
        Good("looking_at", operators.looking_at, {"places": places, "target": torch.zeros(3)}),
        Good("VolumeRendering", operators.VolumeRendering, rendering, seen(scene)),
        Good("VolumeRendering", operators.VolumeRendering, moving, seen(scene)),
    ]


ROOMS = {
    "radar": radar_operators,
    "scene": scene_operators,
    "slices": slice_operators,
    "spectral": spectral_operators,
    "surfaces": surface_parts,
}
