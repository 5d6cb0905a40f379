"""What only a real CUDA device can show of a fit: kernels for all that it does, and its order."""

import os

import pytest
import torch
from cases.solver import assert_same_run, through_disk

from inverse_inr import Solver, baselines, priors, regularizers, uncertainty
from inverse_inr.stopping import HeldOut

pytestmark = pytest.mark.gpu

OPTIONS = {"steps": 30, "batch": 64, "points": 64, "stopping": HeldOut(every=10)}
PENALTY = 1e-3 * regularizers.TotalVariation()
NAMES = ("siren", "hash", "grid", "wire", "separable")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lattice", [None, 1])
def test_a_fit_on_the_gpu_is_that_on_the_cpu_up_to_rounding(problem, name, lattice, tmp_path):
    fits = [
        Solver(
            problem, name, regularizers=[PENALTY], device=device, lattice=lattice, **OPTIONS
        ).run()
        for device in ("cpu", "cuda")
    ]
    here, there = (fit.summary() for fit in fits)
    assert there["held-out"] == pytest.approx(here["held-out"], rel=0.05)
    assert there["PSNR"] == pytest.approx(here["PSNR"], abs=0.5)
    fits[1].save(tmp_path)


def test_a_step_of_rays_synchronises_nothing(problem):
    solver = Solver(problem, "hash", regularizers=[PENALTY], device="cuda", **OPTIONS)
    solver.step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(5):
            solver.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", ["grid", "hash"])
def test_a_deterministic_run_resumes_bit_for_bit(problem, name):
    if "CUBLAS_WORKSPACE_CONFIG" not in os.environ:
        pytest.skip("needs CUBLAS_WORKSPACE_CONFIG=:4096:8 before Python starts: make gpu")

    def made() -> Solver:
        return Solver(problem, name, device="cuda", deterministic=True, **OPTIONS)

    whole = made()
    whole.run()
    first = made()
    first.run(15)
    second = made()
    second.load_state_dict(through_disk(first))
    second.run()
    assert_same_run(whole, second)


def test_bfloat16_products_fit_as_well(problem):
    given = priors.create("siren", problem.box, width=64, depth=3)
    fit = Solver(problem, given, dtype="bfloat16", device="cuda", **OPTIONS).run()
    assert fit.held_out() is not None


def test_classical_methods_and_ensembles_run_on_the_gpu(problem):
    there = problem.to("cuda")
    for method in (baselines.cgls, baselines.tv, baselines.l1, baselines.plug_and_play):
        expected = method(problem).summary()["PSNR"]
        assert method(there).summary()["PSNR"] == pytest.approx(expected, abs=0.2)
    made = uncertainty.ensemble(problem, "grid", count=2, device="cuda", **OPTIONS)
    assert made.deviation().is_cuda
