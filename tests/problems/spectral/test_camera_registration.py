"""A camera found before its cube: where its mask lies, its blur, and the light it does not code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral import TrueCamera, cassi_uncalibrated
from inverse_inr.problems.spectral.camera_registration import (
    RigidMask,
    WithBackground,
    cubic,
    registered,
)
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.measured import Modelling
from inverse_inr.problems.spectral.snapshot import Snapshot

BANDS = 8


def camera(height: int, width: int, axis: int = 1, placement: Placement | None = None) -> CASSI:
    box = ii.Box((0.0, 0.0, 450.0), (float(height), float(width), 650.0), ("px", "px", "nm"))
    i, j = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = 0.5 + 0.2 * torch.sin(i / 6) + 0.2 * torch.cos(j / 7 + i / 9)
    wavelengths = band_centres(BANDS)
    return CASSI(
        box,
        mask,
        wavelengths,
        steps(wavelengths, 2.0),
        axis=axis,  # type: ignore[arg-type]
        placement=placement or Placement(),
    )


def rigid(filed: CASSI, *start: float) -> RigidMask:
    sides = filed.mask.shape
    return RigidMask(filed, slice(0, sides[1 - filed.axis]), torch.tensor(start), 0.6)


def test_cubics_keep_a_plane_a_plane():
    i, j = torch.meshgrid(torch.arange(12.0), torch.arange(15.0), indexing="ij")
    generator = torch.Generator().manual_seed(0)
    at = 1 + 9 * torch.rand(2, 40, generator=generator)
    found = cubic(2 * i - 3 * j, at[0], at[1])
    torch.testing.assert_close(found, 2 * at[0] - 3 * at[1], atol=1e-4, rtol=0)


def test_a_mask_that_was_not_moved_is_as_filed():
    filed = camera(20, 30)
    torch.testing.assert_close(rigid(filed, 0.0, 0.0, 0.0).placed(), filed.mask)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_shift_by_a_whole_pixel_moves_the_mask_across_the_dispersion(axis: int):
    filed = camera(20, 30, axis)
    placed = rigid(filed, 1.0, 0.0, 0.0).placed()
    moved = filed.mask.roll(1, 1 - axis)
    inner = (slice(3, -3), slice(3, -3))
    torch.testing.assert_close(placed[inner], moved[inner], atol=1e-5, rtol=0)


@pytest.mark.parametrize("axis", [0, 1])
def test_magnification_and_rotation_move_the_edges_as_a_stretch_does(axis: int):
    """A smooth mask, so that cubic and bilinear interpolation agree."""
    filed = camera(40, 60, axis)
    across = 1 - axis
    half = torch.tensor([20.0, 30.0])
    stretch = torch.zeros(2, 2)
    stretch[across, across] = 0.4
    stretch[across, axis] = 0.3
    # a rigid plate: as much larger along the dispersion, and turned there the other way
    stretch[axis, axis] = 0.4 * half[axis] / half[across]
    stretch[axis, across] = -0.3 * half[across] / half[axis]
    expected = camera(40, 60, axis, Placement(torch.tensor([0.0, 0.0]), stretch=stretch)).codes()
    found = rigid(filed, 0.0, 0.4, 0.3).codes()
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(found[inner], expected[inner], atol=5e-3, rtol=0)


def test_light_that_is_not_coded_is_added_to_every_pixel():
    filed = camera(12, 16)
    lit = WithBackground(filed, 0.25, learnt=True)
    cube = torch.rand(12, 16, BANDS, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(lit.snapshot(cube), filed.on(filed.bands).snapshot(cube) + 0.25)
    assert lit.background.requires_grad
    assert not WithBackground(filed, 0.25, learnt=False).background.requires_grad


def snapshot(true: TrueCamera, seed: int = 7) -> Snapshot:
    """A snapshot of 72 x 72 pixels in 8 bands, in units of its brightest coded pixel."""
    problem = cassi_uncalibrated(
        "bright",
        size=72,
        bands=BANDS,
        camera=true,
        modelling=Modelling(register=False, background=0.0),
        scene=seed,
        seed=seed,
    )
    term = problem.terms[0]
    operator = term.operator
    y = term.y.reshape(operator.shape)  # type: ignore[attr-defined]
    filed = operator.camera  # type: ignore[attr-defined]
    return Snapshot(y / y.max(), torch.isfinite(y), filed)


@pytest.mark.slow
@pytest.mark.parametrize("background", [0.0, 0.02])
def test_a_sub_pixel_shift_the_blur_and_the_background_are_found(background: float):
    seen = snapshot(TrueCamera((0.7, 0.0), 0.3, 0.004, 0.6, background))
    found = registered(seen)
    assert found is not None
    assert float(found.displacement[0]) == pytest.approx(0.7, abs=0.05)
    assert float(found.displacement[1]) == pytest.approx(0.3, abs=0.15)
    assert float(found.displacement[2]) == pytest.approx(-0.004 * 36, abs=0.15)
    assert found.blur == pytest.approx(0.6, abs=0.12)
    assert found.background == pytest.approx(background, abs=0.005)
    assert not any(p.requires_grad for p in found.camera.parameters())


def test_what_is_known_of_a_camera_is_not_learnt(monkeypatch: pytest.MonkeyPatch):
    from inverse_inr.problems.spectral import camera_registration

    monkeypatch.setattr(camera_registration, "STEPS", 3)
    found = registered(snapshot(TrueCamera()), blur=0.75, background=0.0125)
    assert found is not None
    assert (found.blur, found.background) == (0.75, 0.0125)


def test_a_snapshot_that_is_smaller_than_a_window_tells_nothing():
    seen = snapshot(TrueCamera())
    small = camera(20, 20)
    part = replace(seen, y=seen.y[:20, :34], trusted=seen.trusted[:20, :34], camera=small)
    assert registered(part) is None
