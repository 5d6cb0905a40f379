"""NL-Bayes against closed forms, the stabilised camera noise, and BM3D where it is installed."""

from dataclasses import replace

import pytest
import torch
from cases.image import ramp, save
from inverse_inr.problems.restoration.patch_bayes import (
    first_step,
    grouped,
    nl_bayes_image,
    posterior_mean,
    second_step,
    shrunk,
)

from inverse_inr import noise, solve
from inverse_inr.problems.restoration import denoise
from inverse_inr.problems.restoration.denoisers import bm3d, has_bm3d, nl_bayes
from inverse_inr.problems.restoration.stabilised import Stabilised
from inverse_inr.stopping import HeldOut


def test_the_posterior_mean_of_a_gaussian_is_the_wiener_filter():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator, dtype=torch.float64))[0]
    power = torch.tensor([9.0, 4.0, 1.0, 0.25, 0.0, 0.0], dtype=torch.float64)
    covariance = (basis * power) @ basis.T
    mean = torch.arange(6, dtype=torch.float64)[None]
    noisy = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    expected = mean + (noisy - mean) @ basis * (power / (power + 0.5**2)) @ basis.T
    torch.testing.assert_close(posterior_mean(noisy, mean, covariance, 0.5), expected)


def test_shrinkage_approaches_the_wiener_filter_with_many_samples():
    generator = torch.Generator().manual_seed(0)
    power = torch.tensor([9.0, 4.0, 0.0, 0.0], dtype=torch.float64)
    clean = torch.randn(20000, 4, generator=generator, dtype=torch.float64) * power.sqrt()
    noisy = clean + 0.5 * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    expected = noisy * power / (power + 0.25)
    assert float((shrunk(noisy, 0.5) - expected).abs().max()) < 0.2
    # a direction without signal keeps nothing of its noise but the mean's
    assert float(shrunk(noisy, 0.5)[:, 2:].std()) < 0.02


def test_shrinkage_of_pure_noise_leaves_its_mean():
    generator = torch.Generator().manual_seed(1)
    noisy = 3.0 + torch.randn(50, 120, 25, generator=generator, dtype=torch.float64)
    kept = (shrunk(noisy, 1.0) - noisy.mean(1, keepdim=True)).abs().amax((1, 2))
    # the largest eigenvalue of noise fluctuates about the edge: a few groups keep one direction
    assert float((kept < 1e-6).double().mean()) > 0.5


def test_second_step_with_the_truth_as_guide_and_no_noise_gives_the_truth():
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(24, 20, 1, generator=generator, dtype=torch.float64)
    groups = grouped(image, 5, 60)
    clean = second_step(image, image, groups, 1e-4)
    torch.testing.assert_close(clean, image, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(24, 20, 1), (20, 24, 3), (6, 9, 1), (3, 3, 1), (1, 8, 1)])
def test_nl_bayes_keeps_a_flat_image_of_any_size(shape):
    flat = torch.full(shape, 0.4, dtype=torch.float64)
    torch.testing.assert_close(nl_bayes_image(flat, 0.1), flat)


def test_first_step_takes_most_noise_from_a_flat_image():
    generator = torch.Generator().manual_seed(0)
    noisy = 0.5 + 0.1 * torch.randn(32, 32, 1, generator=generator)
    clean = first_step(noisy, grouped(noisy, 7, 120), 0.1)
    assert float((clean - 0.5).square().mean().sqrt()) < 0.03


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
def test_solve_judges_every_denoiser_by_pixels_that_none_of_them_saw():
    rows = [torch.arange(3, 24**2, 11)]

    def judged(added: float) -> list[torch.Tensor]:
        problem = denoise("camera", crop=24, noise_level=0.1)
        problem.terms[0].y[rows[0]] += added
        rule = HeldOut(rows=rows, every=10)
        problem = replace(problem, suggested=replace(problem.suggested, stopping=rule))
        assert problem.suggested.candidates is not None
        tried = [method(problem) for method in problem.suggested.baselines.values()]
        tried += [each.solution for each in problem.suggested.candidates(problem)]
        assert all(torch.equal(each.watched[0], rows[0]) for each in tried)
        return [each.sample() for each in tried]

    assert all(
        float((one - other).abs().max()) < 2e-3
        for one, other in zip(judged(0.0), judged(100.0), strict=True)
    )


@pytest.mark.filterwarnings("ignore:solve. .* No prior's fit")
def test_solve_answers_with_the_chosen_denoiser_of_all_pixels():
    problem = denoise("camera", crop=48, noise_level=0.1)
    answer = solve(problem)
    assert {"nothing", "NL-Bayes", "TV"} < set(answer.details["held-out by method"])
    assert answer.details["chosen"].startswith(answer.method)
    assert answer.problem.suggested.stopping is problem.suggested.stopping
    if answer.method != "TV":  # whose weight is chosen by held-out pixels always
        assert not any(len(each) for each in answer.watched)
    assert answer.metrics()["PSNR"] > nl_bayes(problem).metrics()["PSNR"] - 1.0
