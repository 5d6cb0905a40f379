"""Classical snapshot spectral imaging: GAP and ADMM around any denoiser."""

import pytest
import torch

import inverse_inr as ii
from inverse_inr.operators import CassiOnGrid
from inverse_inr.problems.spectral import Alignment, Detector, cassi
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_iterates, gap_tv


def test_gap_without_a_denoiser_explains_what_it_saw():
    """One exact projection: the least-norm cube of the measurements."""
    problem = cassi(size=24, bands=6, detector=Detector(noise_level=0.0))
    camera = problem.terms[0].operator
    assert isinstance(camera, CassiOnGrid)
    y = problem.terms[0].y.reshape(camera.shape).double()
    seen = torch.ones(camera.shape, dtype=torch.bool)
    first = next(gap_iterates(camera, y, seen, lambda x: x))
    lit = camera.snapshot(torch.ones(camera.grid.shape, dtype=y.dtype)) > 0
    torch.testing.assert_close(camera.snapshot(first)[lit], y[lit], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [gap_tv, admm_tv])
def test_classical_methods_reconstruct_and_choose_by_held_out_pixels(method):
    problem = cassi(size=32, bands=4)
    strengths = (0.4, 0.1, 0.0001)
    chosen = method(problem, strengths=strengths, iterations=40)
    assert chosen.watched
    assert chosen.details["strength"] in strengths
    oracle = method(problem, "oracle", strengths=strengths, iterations=40)
    rough = method(problem, 0.0001, iterations=40)
    assert oracle.metrics()["PSNR"] > rough.metrics()["PSNR"] + 1
    assert oracle.metrics()["PSNR"] > 18


def test_any_denoiser_plugs_in():
    problem = cassi(size=16, bands=4)
    asked = []

    def blur(cube: torch.Tensor, strength: float) -> torch.Tensor:
        asked.append(strength)
        return cube.mean(-1, keepdim=True).expand_as(cube)

    flat = gap_tv(problem, 0.3, iterations=5, denoiser=blur).sample()[..., 0]
    assert asked == [0.3] * 5
    torch.testing.assert_close(flat, flat[..., :1].expand_as(flat))


def test_a_classical_method_takes_a_learnt_camera_as_it_is():
    problems = [
        cassi(size=16, bands=4, alignment=Alignment(calibration=c)) for c in ("true", "learnt")
    ]
    known, learnt = (gap_tv(problem, 0.1, iterations=3) for problem in problems)
    assert learnt.metrics()["PSNR"] == pytest.approx(
        known.metrics()["PSNR"], abs=1
    )  # other pixels are held out
    assert not learnt.sample().requires_grad


def test_gap_wants_one_snapshot_of_a_cube():
    from inverse_inr.problems.ct import ct

    with pytest.raises(TypeError, match="ParallelBeam"):
        gap_tv(ct(size=16, views=4))


@pytest.mark.slow
def test_the_prior_beats_gap_tv():
    """At 1 % noise, with choices by held-out detector pixels only."""
    problem = cassi(size=48, bands=6)
    learnt = ii.solve(problem, steps=600, callbacks=[])
    classic = gap_tv(problem, "oracle", strengths=(0.2, 0.1, 0.05), iterations=80)
    assert learnt.metrics()["PSNR"] > classic.metrics()["PSNR"]
    assert learnt.held_out() is not None
