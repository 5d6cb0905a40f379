"""A real CASSI camera: blur, a mask that lies elsewhere or is stretched, and learning both."""

import math

import torch
from cases.spectral import bands, box, camera, rand
from torch import nn

from inverse_inr import predict
from inverse_inr.operators import CASSI, BandResponse, Placement
from inverse_inr.operators.spectral.dispersion import Scaled, steps
from inverse_inr.testing import OperatorTests, smooth_field


def test_points_and_grid_agree_behind_a_blur():
    a = camera(pixels=2.0, psf=lambda w: 0.3 + 0.004 * (w - 450))
    field, seen = smooth_field(), a.on(a.bands)
    gridded = seen.flatten(seen.snapshot(field(a.bands.points(torch.float64))[..., 0]))
    assert (predict(a, field) - gridded).abs().max() < 1e-10 * gridded.abs().max()


def test_a_blur_keeps_the_light():
    a, sharp = camera(12, 12, psf=0.8), camera(12, 12)
    cube = torch.zeros(12, 12, 5, dtype=torch.float64)
    cube[6, 6, 2] = 1.0
    seen, before = a.on(a.bands).snapshot(cube), sharp.on(sharp.bands).snapshot(cube)
    assert torch.allclose(seen.sum(), before.sum(), atol=1e-4)
    offset = torch.arange(16, dtype=torch.float64) - 8
    spread = (seen.sum(0) * offset.square()).sum() / seen.sum()
    assert abs(float(spread) - 0.64 - 1 / 12) < 1e-2  # a pixel's own width on top


def test_one_blur_for_all_wavelengths_is_the_same_blur_for_each():
    for pixels, axis in ((2.0, 1), (0.7, 0)):
        once, each = (
            camera(pixels=pixels, axis=axis, psf=psf)
            for psf in (0.6, lambda w: torch.full_like(w, 0.6))
        )
        cube = rand(*once.bands.shape, seed=1)
        assert torch.allclose(
            once.on(once.bands).snapshot(cube), each.on(each.bands).snapshot(cube), atol=1e-13
        )


class TestShotsBehindABlur(OperatorTests):
    def make(self):
        return camera(mask=rand(2, 6, 9, 5), psf=0.5, pixels=0.7)


class TestLearnsHowItBlurs(OperatorTests):
    def make(self):
        return camera(psf=nn.Parameter(torch.tensor(0.6, dtype=torch.float64)), pixels=0.7)


class TestLearnsWhereItIs(OperatorTests):
    def make(self):
        wavelengths = bands(3)
        law = Scaled(
            steps(wavelengths, 0.7),
            nn.Parameter(torch.tensor(1.03)),
            nn.Parameter(torch.tensor(0.05)),
        )
        response = BandResponse(nn.Parameter(torch.tensor([1.0, 0.9, 1.1])))
        shift, rotation = (
            nn.Parameter(torch.tensor([0.31, -0.23])),
            nn.Parameter(torch.tensor(0.02)),
        )
        stretch = nn.Parameter(torch.tensor([[0.13, 0.07], [-0.04, 0.21]]))
        return CASSI(
            box(5, 6),
            rand(5, 6),
            wavelengths,
            law,
            response=response,
            placement=Placement(shift, rotation, stretch),
        )

    def test_what_is_learnt_keeps_its_names(self):
        """Printed results, checkpoints and benchmarks read them."""
        learnt = dict(self.make().named_parameters())
        names = {
            "mask_shift",
            "mask_rotation",
            "mask_stretch",
            "response",
            "dispersion.scale",
            "dispersion.offset",
        }
        assert set(learnt) == names
        assert names <= set(self.make().state_dict())


def test_a_shifted_mask_is_where_it_is_said_to_be():
    a = camera(placement=Placement(torch.tensor([1.0, -2.0])))
    moved = torch.zeros(6, 9, dtype=torch.float64)
    moved[1:, :-2] = a.mask[:-1, 2:]
    assert torch.allclose(a.codes()[0, 0], moved, atol=1e-12)
    # from axis 0 to axis 1: what was down is to the right
    mask = torch.zeros(7, 7, dtype=torch.float64)
    mask[5, 3] = 1.0
    turned = camera(7, 7, mask=mask, placement=Placement(rotation=math.pi / 2)).codes()[0, 0]
    assert torch.allclose(turned[3, 5], torch.tensor(1.0, dtype=torch.float64), atol=1e-6)


def test_a_stretched_mask_has_its_edges_where_they_are_said_to_be():
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(6.0), indexing="ij")
    for axis, ramp, half in ((0, rows - 3.5, 4.0), (1, columns - 2.5, 3.0)):
        stretch = torch.zeros(2, 2)
        stretch[axis, axis] = 0.5  # edges half a pixel further out
        a = camera(8, 6, mask=(ramp + 10).double(), placement=Placement(stretch=stretch))
        inner = a.codes()[0, 0][2:-2, 2:-2]
        assert torch.allclose(inner, (ramp / (1 + 0.5 / half) + 10).double()[2:-2, 2:-2], atol=1e-6)
    # the edge across axis 1 goes down by half a pixel: a shear
    shear = torch.tensor([[0.0, 0.5], [0.0, 0.0]])
    inner = camera(8, 6, mask=(rows + 10).double(), placement=Placement(stretch=shear)).codes()[
        0, 0
    ][2:-2, 2:-2]
    assert torch.allclose(
        inner, (rows - 0.5 * (columns - 2.5) / 3 + 10).double()[2:-2, 2:-2], atol=1e-6
    )
