"""Single-pixel camera and video snapshot: simulation, refusals, and a short fit of each."""

import pytest
import torch

from inverse_inr import Grid, SampledField, solve
from inverse_inr.io import write_image
from inverse_inr.problems.restoration import single_pixel, video_snapshot


def test_the_first_hadamard_number_is_the_mean():
    problem = single_pixel(bin=16, crop=16, noise_level=1e-9)
    assert isinstance(problem.reference, SampledField)
    assert len(problem.terms[0].y) == 64
    assert float(problem.terms[0].y[0]) == pytest.approx(
        float(problem.reference.values.mean()), abs=1e-6
    )


@pytest.mark.parametrize("patterns", ["hadamard", "random"])
def test_all_patterns_determine_the_image(patterns):
    problem = single_pixel(patterns=patterns, fraction=1.0, bin=32, crop=8, noise_level=1e-7)
    image = problem.suggested.baselines["CGLS"](problem).sample()
    assert isinstance(problem.reference, SampledField)
    if patterns == "hadamard":  # orthogonal; 5 % of the numbers are held out of every fit
        assert float((image - problem.reference.values).square().mean().sqrt()) < 0.1
    assert image.shape == (8, 8, 1)


def test_a_still_scene_is_the_same_in_every_frame():
    problem = video_snapshot(frames=3, motion=0.0, bin=16, crop=12, noise_level=1e-9)
    assert isinstance(problem.reference, SampledField)
    values = problem.reference.values
    assert torch.equal(values[:, :, 0], values[:, :, 2])
    codes = problem.terms[0].operator.codes  # type: ignore[attr-defined]
    assert float(codes.sum(-1).min()) >= 1
    expected = (codes.sum(-1) * values[:, :, 0, 0]).flatten()
    assert torch.allclose(problem.terms[0].y, expected, atol=1e-5)


def test_the_scene_pans_by_the_motion():
    problem = video_snapshot(frames=3, motion=2.0, bin=8, crop=32)
    assert isinstance(problem.reference, SampledField)
    values = problem.reference.values
    assert torch.allclose(values[:, 2:, 0], values[:, :-2, 1], atol=1e-5)


def test_a_stack_of_pages_is_a_video(tmp_path):
    pages = torch.rand(4, 6, 5, 1, generator=torch.Generator().manual_seed(0))
    from inverse_inr.domain import pixel_grid

    write_image(tmp_path / "v.tif", pages, pixel_grid((4, 6, 5)))
    problem = video_snapshot(str(tmp_path / "v.tif"), frames=4, bin=1, crop=None)
    assert isinstance(problem.reference, SampledField)
    assert torch.equal(problem.reference.values[:, :, 3], pages[3])
    with pytest.raises(ValueError, match="4 pages"):
        video_snapshot(str(tmp_path / "v.tif"), frames=5, bin=1, crop=None)


@pytest.mark.parametrize(
    ("make", "options", "match"),
    [
        (single_pixel, {"fraction": 0.0}, "fraction=0"),
        (single_pixel, {"noise_level": 0.0}, "noise_level=0"),
        (video_snapshot, {"frames": 1}, "frames=1"),
        (video_snapshot, {"motion": 40.0}, "motion=40"),
    ],
)
def test_impossible_settings_are_refused(make, options, match):
    with pytest.raises(ValueError, match=match):
        make(**options)


@pytest.mark.slow
def test_short_fits_beat_a_flat_image_and_are_shown():
    for problem in (
        single_pixel(bin=16, crop=16, fraction=0.5),
        video_snapshot(frames=2, bin=16, crop=16),
    ):
        solution = solve(problem, steps=60, callbacks=[])
        truth = problem.reference
        assert isinstance(truth, SampledField)
        flat = float((truth.values - truth.values.mean()).square().mean())
        assert float((solution.sample() - truth.values).square().mean()) < 0.5 * flat
        assert isinstance(problem.grid, Grid)
        if problem.suggested.figure is not None:
            assert problem.suggested.figure(problem, [solution]) is not None


@pytest.mark.slow
def test_a_video_has_a_trial_guided_by_variation_and_one_by_the_network():
    answer = solve(video_snapshot(frames=3, bin=8, crop=16))
    judged = answer.details["held-out by method"]
    assert {"grid", "grid, network", "TV", "plug-and-play, trained network"} <= set(judged)
    assert judged["grid"] != judged["grid, network"]
    assert max(judged["grid"], judged["grid, network"]) < 0.2 * judged["nothing"]
    assert answer.method in judged
