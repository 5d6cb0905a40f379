"""Where a mask lies, read off one simulated snapshot whose camera is known."""

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.mask_placement import mask_displacement
from inverse_inr.problems.spectral.scenes import spectral_scene

SIZE, BANDS = (168, 140), 10
REACH = 2 * (BANDS - 1)


def snapshot(
    shift: float, lower: float, right: float, noise: float = 0.01
) -> tuple[torch.Tensor, torch.Tensor]:
    box = ii.Box((0.0, 0.0, 450.0), (*map(float, SIZE), 650.0), ("px", "px", "nm"))
    generator = torch.Generator().manual_seed(2)
    mask = (torch.rand(*SIZE, generator=generator) < 0.5).float()
    wavelengths = band_centres(BANDS)
    placement = Placement(
        torch.tensor([shift, 0.0]), stretch=torch.tensor([[lower, right], [0.0, 0.0]])
    )
    camera = CASSI(box, mask, wavelengths, steps(wavelengths, 2.0), psf=0.7, placement=placement)
    scene = spectral_scene(photograph("astronaut", SIZE[0])[:, : SIZE[1]], box)
    y = camera.on(camera.bands).snapshot(ii.sample(scene, camera.bands)[..., 0])
    return y + noise * float(y.max()) * torch.randn(y.shape, generator=generator), mask


@pytest.mark.parametrize("true", [(0.0, 0.0, 0.0), (0.6, 0.0, 0.0), (-0.3, 1.0, 0.5)])
def test_shift_stretch_and_rotation_are_read_off_the_snapshot(true: tuple[float, float, float]):
    found = mask_displacement(*snapshot(*true), REACH)
    torch.testing.assert_close(found, torch.tensor(true, dtype=torch.float64), atol=0.15, rtol=0)


def test_pixels_that_are_not_trusted_do_not_move_it():
    y, mask = snapshot(0.6, 0.0, 0.0)
    bad = torch.rand(y.shape, generator=torch.Generator().manual_seed(3)) < 0.02
    y[bad] = float("nan")
    y[0, 0], bad[0, 0] = 1e6, True
    found = mask_displacement(y, mask, REACH, ~bad)
    torch.testing.assert_close(
        found, torch.tensor([0.6, 0.0, 0.0], dtype=torch.float64), atol=0.15, rtol=0
    )


def test_one_row_of_windows_tells_the_shift_and_no_stretch():
    y, mask = snapshot(0.6, 0.0, 0.0)
    found = mask_displacement(y[60:100], mask[60:100], REACH)
    torch.testing.assert_close(
        found, torch.tensor([0.6, 0.0, 0.0], dtype=torch.float64), atol=0.2, rtol=0
    )


def test_nothing_is_moved_where_nothing_can_be_seen():
    dark, mask = torch.zeros(SIZE[0], SIZE[1] + REACH), torch.ones(SIZE)
    assert not mask_displacement(dark, mask, REACH).any()
    assert not mask_displacement(dark[:20], mask[:20], REACH).any(), "smaller than a window"
