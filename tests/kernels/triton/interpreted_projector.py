"""The projector's kernels against `grid_sample` and its transpose, by `JosephPlanes`."""

import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.kernels.triton import projector
from inverse_inr.operators import ConeBeam, ParallelBeam
from inverse_inr.operators.ct.joseph_planes import JosephPlanes


def cone(shape: tuple[int, int, int], **options) -> JosephPlanes:
    box = Box((-1.0, -1.2, -0.9), (1.4, 1.0, 0.9))
    angles = torch.arange(3) * 2.1 + 0.2
    return JosephPlanes(ConeBeam(box, angles, (3, 7), 4.0, 2.0, **options), Grid(box, shape))


def plane() -> JosephPlanes:
    box = Box((-1.0, -1.0), (1.0, 1.3))
    return JosephPlanes(ParallelBeam(box, torch.arange(5) * 0.6, 9), Grid(box, (6, 11)))


MAPS = {
    "cone": lambda: cone((5, 6, 7)),
    "sub-rays": lambda: cone((4, 5, 3), subrays=2),
    "one voxel an axis": lambda: cone((1, 4, 1)),
    "2-D": plane,
}


def both(made: JosephPlanes, image: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    image = image.clone().requires_grad_()
    seen = made(image)
    return seen.detach(), torch.autograd.grad(seen, image, y)[0]


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_both_directions_are_those_of_the_definition(monkeypatch, name, channels):
    made = MAPS[name]()
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(*made.grid.shape, *channels, generator=generator)
    y = torch.randn(*made.shape, *channels, generator=generator)
    expected = both(made, image, y)
    called = []
    monkeypatch.setattr(projector, "usable", lambda tensor: called.append(0) or True)
    found = both(made, image, y)
    assert called
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5 * float(a.abs().max()))


def test_one_direction_is_the_transpose_of_the_other():
    generator = torch.Generator().manual_seed(1)
    planes = torch.randn(6, 2, 5, 7, generator=generator)
    first = 2.4 * torch.rand(40, 2, generator=generator) - 1.2
    step = 0.2 * torch.randn(40, 2, generator=generator)
    y = torch.randn(2, 40, generator=generator)
    seen = projector.integrated(planes, first, step)
    back = torch.zeros_like(planes)
    projector.spread(y, first, step, back)
    there = float((seen.double() * y).sum())
    assert float((planes.double() * back).sum()) == pytest.approx(there, rel=1e-5)


def test_what_is_added_is_added_to_what_is_there():
    generator = torch.Generator().manual_seed(2)
    first = torch.zeros(1, 2)
    planes = torch.randn(2, 1, 3, 3, generator=generator)
    before = planes.clone()
    projector.spread(torch.ones(1, 1), first, torch.zeros(1, 2), planes)
    added = torch.zeros(3, 3)
    added[1, 1] = 1
    torch.testing.assert_close(planes - before, added.expand(2, 1, 3, 3))


def test_no_rays_and_rays_that_miss_give_zeros():
    planes = torch.ones(2, 1, 3, 3)
    assert projector.integrated(planes, torch.zeros(0, 2), torch.zeros(0, 2)).shape == (1, 0)
    far = torch.full((5, 2), 7.0)
    assert not projector.integrated(planes, far, torch.zeros(5, 2)).any()
