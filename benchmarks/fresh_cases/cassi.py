"""Coded snapshots: simulated ones, and ones whose camera is not where its files say.

Nothing was chosen on these scenes, masks, cameras and noise levels: settings were chosen on scenes
below 100 of `cassi_uncalibrated`. The simple lines know as much of the camera as the answer does,
and choose strength and iteration by the same held-out pixels.
"""

from __future__ import annotations

from functools import partial

import inverse_inr as ii
from fresh_cases.case import Case
from inverse_inr.problems.spectral import (
    Detector,
    Optics,
    TrueCamera,
    cassi,
    cassi_uncalibrated,
)
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv

SIMPLE = {"GAP-TV": gap_tv, "ADMM-TV": admm_tv}
FEWER = {
    name: partial(method, strengths=(1.6, 0.4, 0.1), iterations=60)
    for name, method in SIMPLE.items()
}


def _simulated(
    seed: int, scene: str, size: int, bands: int, noise: float, step: float = 2.0
) -> ii.Problem:
    return cassi(
        scene,
        size=size,
        bands=bands,
        optics=Optics(step=step),
        detector=Detector(noise_level=noise),
        seed=40 + seed,
    )


def _uncalibrated(
    seed: int, ground: str, scene: int, size: int, camera: TrueCamera, electrons: float
) -> ii.Problem:
    return cassi_uncalibrated(
        ground,  # type: ignore[arg-type]
        size=size,
        camera=camera,
        detector=Detector(full_well=electrons),
        scene=scene + seed,
        seed=60 + seed,
    )


def cases() -> list[Case]:
    """The fresh inputs of coded snapshots."""
    known = [
        ("coffee", 64, 28, 0.01, 2.0),
        ("rocket", 64, 16, 0.03, 1.5),
        ("cat", 72, 20, 0.005, 2.0),
    ]
    unknown = [
        ("dark", 100, 80, TrueCamera((0.9, 0.3), 0.3, 0.004, 0.6, 0.0), 4000.0),
        ("dark", 200, 96, TrueCamera((-0.5, 0.0), -0.4, 0.002, 0.8, 0.02), 1500.0),
        ("bright", 300, 80, TrueCamera((0.4, -0.2), 0.5, -0.005, 0.5, 0.01), 8000.0),
        ("bright", 400, 96, TrueCamera((-0.8, 0.4), 0.2, 0.003, 0.7, 0.02), 2500.0),
    ]
    found = [
        Case(
            f"{scene} {size} px, {bands} bands {step:g} px apart, {100 * noise:g} % noise",
            partial(_simulated, scene=scene, size=size, bands=bands, noise=noise, step=step),
            SIMPLE,
        )
        for scene, size, bands, noise, step in known
    ]
    for ground, scene, size, camera, electrons in unknown:
        name = (
            f"{ground} ground {scene}, {size} px, mask {camera.shift[0]:g} px off, blur "
            f"{camera.blur:g} px, {electrons:g} electrons"
        )
        make = partial(
            _uncalibrated,
            ground=ground,
            scene=scene,
            size=size,
            camera=camera,
            electrons=electrons,
        )
        found.append(Case(name, make, FEWER))
    return found
