"""The stabilised camera noise, denoisers of problems, BM3D where it is installed, the choice."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from cases.image import ramp, save
from torch import Tensor

from inverse_inr import Solver, noise, solve
from inverse_inr.problems.restoration import (
    denoise,
    inpaint,
    single_pixel,
    super_resolution,
    video_snapshot,
)
from inverse_inr.problems.restoration.denoisers import bm3d, has_bm3d, nl_bayes
from inverse_inr.problems.restoration.stabilised import Stabilised
from inverse_inr.stopping import HeldOut


@pytest.mark.parametrize("readout", [0.0, 2.0])
def test_the_way_back_from_stabilised_values_is_unbiased(readout):
    model = noise.Sensor(30.0, readout or 1e-9)
    stable = Stabilised.of(model)
    mean = torch.tensor([0.02, 0.1, 0.3, 1.0, 2.5], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    drawn = stable(model.sample(mean.expand(200000, 5).contiguous(), generator))
    torch.testing.assert_close(stable.back(drawn.mean(0)), mean, rtol=0.01, atol=1e-3)
    # and from a few electrons on the variance is 1
    assert float((drawn[:, 2:].var(0) - 1).abs().max()) < 0.05


def test_the_table_meets_the_expansion():
    stable = Stabilised(1.0, 2.0)
    t = torch.linspace(27.0, 30.0, 50, dtype=torch.float64)
    back = stable.back(t)
    assert float(back.diff().min()) > 0
    # the step where they meet is below a thousandth of the noise, √electrons
    assert float(back.diff().diff().abs().max()) < 1e-3 * float(back.min()) ** 0.5


def test_nl_bayes_removes_a_cameras_noise(tmp_path):
    problem = denoise(save(tmp_path / "a.tif", ramp()), photons=30.0, rounds=0)
    assert problem.reference is not None
    clean = problem.suggested.baselines["NL-Bayes"](problem)
    assert clean.metrics()["PSNR"] > 25
    assert nl_bayes(denoise("camera", crop=24, noise_level=0.05, held_out=0.1)).metrics()


@pytest.mark.skipif(not has_bm3d(), reason="the package bm3d is not installed")
def test_bm3d_removes_noise_and_refuses_images_smaller_than_its_patches(tmp_path):
    problem = denoise(save(tmp_path / "a.tif", ramp()), noise_level=0.1)
    assert "BM3D" in problem.suggested.baselines
    assert bm3d(problem).metrics()["PSNR"] > 27
    with pytest.raises(ValueError, match="patches have 8 pixels"):
        bm3d(denoise("camera", crop=6, noise_level=0.1))


def test_the_suggested_fit_is_near_its_guide():
    problem = denoise("camera", crop=24, noise_level=0.1)
    guide = nl_bayes(problem).metrics()["PSNR"]
    fit = solve(problem, steps=problem.suggested.steps, callbacks=[])
    assert fit.metrics()["PSNR"] > guide - 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        partial(inpaint, crop=20, rounds=1),
        partial(super_resolution, crop=20, rounds=1),
        partial(single_pixel, crop=12),
        partial(video_snapshot, crop=10, frames=3),
    ],
    ids=["inpaint", "super_resolution", "single_pixel", "video_snapshot"],
)
def test_no_candidate_sees_the_rows_by_which_it_is_judged(make, monkeypatch):
    """Nor does a guide: values of other size at these rows change no trial fit."""
    monkeypatch.setattr("inverse_inr.rounds.Solver", partial(Solver, steps=3))
    rows = [torch.arange(2, len(make().terms[0].y), 9)]

    def tried(added: float) -> Tensor:
        problem = make()
        problem.terms[0].y[rows[0]] += added
        rule = HeldOut(rows=rows, every=10)
        ruled = replace(problem, suggested=replace(problem.suggested, stopping=rule))
        assert problem.suggested.candidates is not None
        fits = list(problem.suggested.candidates(ruled))
        assert all(torch.equal(fit.solution.watched[0], rows[0]) for fit in fits)
        return torch.stack([fit.solution.sample() for fit in fits])

    assert float((tried(0.0) - tried(10.0)).abs().max()) < 2e-3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:solve. .* No prior's fit")
def test_solve_answers_with_the_chosen_denoiser_of_all_pixels():
    problem = denoise("camera", crop=48, noise_level=0.1)
    answer = solve(problem)
    risks = answer.details["risk by method"]
    assert {"nothing", "collaborative", "NL-Bayes", "TV"} < set(risks)
    assert min(risks, key=risks.__getitem__) == answer.method
    assert answer.details["chosen"].startswith(answer.method)
    if answer.method != "TV":  # whose weight is chosen by held-out pixels always
        assert not any(len(each) for each in answer.watched)
    assert answer.metrics()["PSNR"] > nl_bayes(problem).metrics()["PSNR"] - 1.0
