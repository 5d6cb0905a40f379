"""Generated scenes: of a seed, not negative, smooth in wavelength, dark or bright behind things."""

import torch

import inverse_inr as ii
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.textures import smooth_spectra, textured_scene

BOX = ii.Box((0.0, 0.0, 450.0), (48.0, 40.0, 650.0), ("px", "px", "nm"))
BANDS = ii.BandGrid.of(BOX, (48, 40), band_centres(12))


def cube(ground: str, seed: int) -> torch.Tensor:
    return textured_scene(BOX, (48, 40), ground, seed=seed).sample(BANDS)[..., 0]  # type: ignore[arg-type]


def test_a_seed_is_a_scene():
    torch.testing.assert_close(cube("dark", 3), cube("dark", 3))
    assert not torch.allclose(cube("dark", 3), cube("dark", 4))


def test_scenes_lie_between_0_and_1():
    for ground in ("dark", "bright"):
        found = cube(ground, 1)
        assert float(found.min()) >= 0
        assert 0.7 < float(found.max()) <= 1


def test_the_ground_is_dark_or_bright():
    assert float(cube("dark", 2).quantile(0.1)) < 0.01
    assert float(cube("bright", 2).quantile(0.1)) > 0.02


def test_spectra_are_smooth_reflectances():
    spectra = smooth_spectra(20, 5)
    assert float(spectra.min()) >= 0.03
    assert float(spectra.max()) <= 0.9501
    assert float(spectra.diff(dim=1).abs().max()) < 0.35  # a step of 5 nm
