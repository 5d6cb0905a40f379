"""How often a right mask is refused, and a mirrored one is not: the figures of docs/spectral.md."""

import itertools

import pytest
import torch

from inverse_inr import Box
from inverse_inr.operators import CASSI, Placement
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.cassi import band_centres
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.mask_turn import turned_mask
from inverse_inr.problems.spectral.scenes import spectral_scene
from inverse_inr.problems.spectral.snapshot import grey_scene

SCENES = ("astronaut", "coffee", "cat", "rocket")
SIZES = (20, 40, 64, 96)
BANDS = 8
UNMOVED = Placement()


@pytest.mark.slow
def test_of_96_right_masks_none_is_refused():
    refused = 0
    caught = 0
    for scene, size, seed, moved in itertools.product(SCENES, SIZES, range(3), (False, True)):
        generator = torch.Generator().manual_seed(seed)
        mask = (torch.rand(size, size, generator=generator) < 0.5).float()
        box = Box((0.0, 0.0, 450.0), (float(size), float(size), 650.0), ("px", "px", "nm"))

        def camera(code, placement=UNMOVED, box=box):
            centres = band_centres(BANDS)
            return CASSI(box, code, centres, steps(centres, 2.0), placement=placement)

        placement = UNMOVED
        if moved:
            stretch = 1.5 / size * torch.eye(2)
            placement = Placement(torch.tensor([0.8, 0.8]), stretch=stretch)
        true = camera(mask, placement)
        cube = spectral_scene(photograph(scene, size), box).sample(true.bands)[..., 0]
        y = true.on(true.bands).snapshot(cube).detach()
        y = y + 0.01 * y.max() * torch.randn(y.shape, generator=generator)

        def grey(code, camera=camera):
            return grey_scene(camera(code))

        good = torch.ones(y.shape, dtype=torch.bool)
        refused += turned_mask(y, mask, grey, good).speaks_against
        caught += turned_mask(y, mask.flip(1), grey, good).speaks_against
    print(f"right masks refused: {refused} of 96; mirrored masks refused: {caught} of 96")
    assert refused == 0
    assert caught >= 75
