"""The phase sign: refused where the aperture shows that it is wrong, warned of where it cannot."""

import warnings

import pytest
import torch
from cases.radar import F64
from torch import Tensor

from inverse_inr import Box, Grid
from inverse_inr.operators import PhaseHistory
from inverse_inr.operators.radar.phase_sign import (
    TELLING,
    check_sign,
    focus,
    mirrored,
    with_mirror,
    wrong_sign_blur,
)
from inverse_inr.problems.radar.fmcw import echoes
from inverse_inr.problems.radar.sar import passes

NEAR = Box((-2.0, -1.5, -0.1), (2.0, 1.5, 0.1))
REGION = Box((4.0, -8.0, -0.1), (8.0, -5.0, 0.1))


def seen_from(
    box: Box, distance: float, degrees: float, pulses: int = 120, pixels: tuple[int, int] = (41, 31)
) -> PhaseHistory:
    geometry = passes((40.0,), pulses, degrees, distance)
    tones = torch.linspace(9.3e9, 9.9e9, 41, dtype=F64)
    return PhaseHistory(box, geometry, tones, points=Grid(box, (*pixels, 1)))


def targets(count: int, seed: int, middle: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    draw = torch.rand(count, 3, dtype=F64, generator=torch.Generator().manual_seed(seed))
    spread = torch.tensor([3.6, 2.6, 0.0], dtype=F64)
    return torch.tensor([*middle, 0.0], dtype=F64) + (draw - 0.5) * spread


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_near_wide_aperture_shows_the_wrong_sign(seed, noise):
    operator = seen_from(NEAR, 8.0, 40.0)
    y = echoes(operator, targets(20, seed))
    draw = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(seed))
    y = y + noise * y.abs().square().mean().sqrt() * draw
    assert wrong_sign_blur(operator) > TELLING
    ratio = check_sign(operator, y)
    assert ratio is not None
    assert ratio > 1.2
    message = r"out of focus with sign=-1: with \+1 the image is .* times as sharp"
    with pytest.raises(ValueError, match=message):
        check_sign(operator, y.conj().resolve_conj())


def test_a_far_narrow_aperture_is_warned_of_whichever_sign():
    operator = seen_from(REGION, 10_158.0, 2.0)
    y = echoes(operator, targets(20, 0, middle=(6.0, -6.5)))
    assert wrong_sign_blur(operator) < 0.1
    for each in (y, y.conj().resolve_conj()):
        with pytest.warns(UserWarning, match=r"sign -1 was not checked: so narrow an aperture"):
            assert check_sign(operator, each) is None


def test_a_region_beside_a_brighter_mirror_is_not_refused():
    """All targets lie in the mirrored region: alone, the region is sharper with the wrong sign."""
    box = Box((0.5, -1.5, -0.1), (2.0, -0.3, 0.1))
    operator = seen_from(box, 8.0, 40.0)
    place = torch.tensor([-1.3, 0.9, 0.0], dtype=F64)  # mirrored, it lies inside
    y = echoes(operator, place + 0.3 * (targets(12, 3) / 3.6))
    assert focus(operator, y) < 0.95
    ratio = check_sign(operator, y)
    assert ratio is not None
    assert ratio > 1


def test_the_mirror_lies_across_the_reference_point():
    operator = seen_from(REGION, 10_158.0, 4.0)
    place = torch.tensor([[5.0, -6.0, 0.0]], dtype=F64)
    found, left = mirrored(operator.geometry, place, [0, 1])
    assert torch.allclose(found, -place, atol=0.02)
    assert float(left.abs().max()) < 1e-5
    both = with_mirror(operator).box
    assert both.lower[0] < -7.9
    assert both.upper[1] > 7.9


def test_a_dear_image_is_not_formed():
    operator = seen_from(REGION, 10_158.0, 90.0, pulses=2000)
    y = torch.zeros(2000, 41, dtype=torch.complex64)
    with pytest.warns(UserWarning, match="would take long"):
        assert check_sign(operator, y) is None


def test_measured_regions_are_not_refused(data):
    """Thirty regions of correct data, of which 12 were refused; and the conjugated data warn."""
    from inverse_inr.io import read_gotcha
    from inverse_inr.problems.radar.phase_data import radar_of

    files = [str(data.file(f"gotcha_pass1_HH_az00{k}.mat")) for k in (1, 2)]
    measured = read_gotcha(files)
    middles = [(x, y) for x in range(-25, 26, 10) for y in range(-20, 21, 10)]
    assert len(middles) == 30
    for x, y in middles:
        box = Box((x - 6.5, y - 6.5, -0.1), (x + 6.5, y + 6.5, 0.1))
        operator = radar_of(measured, box, Grid(box, (65, 65, 1)))
        for echo in (measured.y, measured.y.conj().resolve_conj()):
            with pytest.warns(UserWarning, match="was not checked"):
                check_sign(operator, echo)


def test_a_check_that_passes_says_nothing():
    operator = seen_from(NEAR, 8.0, 40.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sign(operator, echoes(operator, targets(20, 0)))
