"""Plug-and-play whose noise falls: against its closed form, and with the rows that it may use."""

from dataclasses import replace

import pytest
import torch

import inverse_inr as ii
from inverse_inr import baselines, noise
from inverse_inr.baselines.annealing import _cuts, _Turning
from inverse_inr.operators import Mask
from inverse_inr.problems.ct import ct
from inverse_inr.problems.restoration import deblur, inpaint
from inverse_inr.problems.restoration.clips import moving_shapes
from inverse_inr.stopping import HeldOut, Never


def half_known(rule=None) -> ii.Problem:
    """An image of 6 x 8 pixels of which every second one is measured."""
    grid = ii.Grid(ii.Box((0.0, 0.0), (6.0, 8.0), ("px", "px")), (6, 8))
    known = torch.arange(48).reshape(6, 8) % 2 == 0
    y = torch.rand(24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    term = ii.Term(Mask(known, grid), y, noise.Gaussian(0.1))
    suggested = ii.Suggestion(stopping=rule or Never())
    return ii.Problem([term], grid.box, grid, suggested=suggested)


def shrinking(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return 0.5 * x


def test_one_step_is_the_closed_form():
    """Of a mask the data's step is a weighted mean, pixel by pixel: σ_n⁻² y + λ σ⁻² x₀."""
    problem = half_known()
    start = torch.full((6, 8, 1), 0.7, dtype=torch.float64)
    found = baselines.annealed(
        problem, shrinking, start=start, largest=0.2, least=0.2, iterations=1, coupling=0.3
    ).sample(problem.grid)
    data, near = 0.1**-2, 0.3 * 0.2**-2
    expected = start.clone().flatten()
    expected[::2] = (data * problem.terms[0].y.flatten() + near * 0.7) / (data + near)
    # the level of the noise is estimated from few random images, exactly so for a mask's diagonal
    assert torch.allclose(found.flatten(), 0.5 * expected, rtol=0.02)


def test_rows_that_the_rule_holds_out_are_not_looked_at():
    rows = [torch.arange(0, 24, 3)]
    problem = half_known(HeldOut(rows=rows))
    other = problem.terms[0].y.clone()
    other[rows[0]] += 5.0
    changed = replace(problem, terms=[replace(problem.terms[0], y=other)])
    first, second = (baselines.annealed(p, shrinking).sample(p.grid) for p in (problem, changed))
    assert torch.equal(first, second)


def test_quiet_measurements_are_followed_to_their_noise():
    """A step for the data ends when its residual is small beside the noise's, not the image's."""
    problem = ct("gaussian_blobs", size=12, views=20, noise_level=1e-4)
    rows = [problem.terms[0].trusted]
    exact = baselines.annealed(problem, lambda x, sigma: x, least=0.15, inner=200)
    found = baselines.annealed(problem, lambda x, sigma: x, least=0.15)
    assert found.misfit(rows) < 1.05 * exact.misfit(rows) + 0.05


def test_white_and_the_image_have_one_unit():
    """What is measured, and white, ten times as large: so is the image, as the denoiser sees it."""
    problem = half_known()
    (term,) = problem.terms
    larger = replace(term, y=10 * term.y, fidelity=noise.Gaussian(1.0))
    seen = []

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        seen.append((x, sigma))
        return 0.9 * x

    start = torch.full((6, 8, 1), 0.7, dtype=torch.float64)
    once = baselines.annealed(problem, denoise, start=start, iterations=3)
    tens = replace(problem, terms=[larger])
    more = baselines.annealed(tens, denoise, start=10 * start, iterations=3, white=10.0)
    torch.testing.assert_close(more.sample(tens.grid), 10 * once.sample(problem.grid))
    for (x, sigma), (other, same) in zip(seen[:3], seen[3:], strict=True):
        torch.testing.assert_close(x, other)
        assert sigma == pytest.approx(same)


def test_a_finer_image_has_the_data_of_the_grid():
    problem = ct("gaussian_blobs", size=10, views=8, noise_level=0.01)
    found = baselines.annealed(problem, lambda x, sigma: x, iterations=2, finer=2)
    assert found.field.values.shape == (20, 20, 1)
    assert found.misfit([problem.terms[0].trusted]) < 1.0
    with pytest.raises(ValueError, match=r"the image has \(20, 20, 1\)"):
        baselines.annealed(problem, start=torch.zeros(10, 10, 1), finer=2)


@pytest.mark.parametrize(
    ("lengths", "units", "shape", "cuts"),
    [
        ((8.0, 8.0, 8.0), ("cm",) * 3, (8, 8, 8), [0, 1, 2]),
        ((8.0, 8.0, 6.0), ("px", "px", "frame"), (8, 8, 6), [2]),
        ((8.0, 8.0, 40.0), ("mm",) * 3, (8, 8, 8), [2]),
        ((8.0, 40.0, 200.0), ("mm",) * 3, (8, 6, 8), [1]),
        ((8.0, 8.0), ("px", "px"), (8, 8), []),
    ],
)
def test_planes_are_cut_where_their_pixels_are_square(lengths, units, shape, cuts):
    grid = ii.Grid(ii.Box((0.0,) * len(shape), lengths, units), shape)
    assert _cuts(grid) == cuts


def test_a_volume_is_seen_across_each_of_its_axes():
    """Each way undoes its turns: a denoiser that changes nothing changes nothing."""
    x = torch.rand(4, 5, 6, 1, generator=torch.Generator().manual_seed(0))
    shapes = []

    def denoise(planes: torch.Tensor, sigma: float) -> torch.Tensor:
        shapes.append(planes.shape[2])
        return planes

    turning = _Turning(denoise, 2.0, [0, 1, 2])
    for _ in range(24):
        torch.testing.assert_close(turning(x, 0.1), x)
    assert shapes[:3] == [4, 5, 6]


@pytest.mark.slow
@pytest.mark.parametrize("blurred", [False, True])
def test_the_trained_network_is_better_than_total_variation(blurred: bool):
    """On a generated scene, 2.5 dB for the lost pixels and 2.1 dB for the blur."""
    picture = moving_shapes(1, 48, seed=5)[:, :, 0].mean(-1, keepdim=True)
    if blurred:
        problem = deblur(picture, kernel="disc", size=4.0, noise_level=0.01)
    else:
        problem = inpaint(picture, keep=0.3)
    methods = problem.suggested.baselines
    plain = methods["TV, no boundary" if blurred else "TV"](problem)
    assert methods["plug-and-play"](problem).psnr() > plain.psnr() + 0.5


def test_bad_arguments_are_refused():
    problem = half_known()
    with pytest.raises(ValueError, match=r"cannot fall from largest=0\.01 to least=0\.2"):
        baselines.annealed(problem, shrinking, largest=0.01, least=0.2)
    with pytest.raises(ValueError, match=r"start has shape \(6, 8\)"):
        baselines.annealed(problem, shrinking, start=torch.zeros(6, 8))
