"""Every problem of the catalogue, small, goes the whole way of a user on a make-believe GPU."""

from dataclasses import replace
from functools import wraps

import pytest
import torch
from cases.calls.operators import PROBLEMS
from cases.command.measured import FILES
from cases.command.presets import TINY, go_the_whole_way

import inverse_inr as ii
from inverse_inr import Problem, Solution, Solver
from inverse_inr.command.config import Run
from inverse_inr.problems.catalogue import problems
from inverse_inr.problems.ct import ct
from inverse_inr.solver import solve_many
from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA
from inverse_inr.uncertainty import conformal, coordinate_laplace, ensemble, linearised, report

GOTCHA = {"center": [-15.0, 20.0], "size": [8.0, 6.0], "pitch": 1.0, "every": 8}
GIVEN = {
    **PROBLEMS,
    "poisson_edit": TINY["poisson_edit"],
    "register": {"bin": 64, "amplitude": 1.0},
    "sar_views": TINY["sar_views"],
    "simulated_slices": {"resolution": 24.0, "orientations": ["axial"]},
    "surfaces": TINY["surfaces"] | {"azimuths": 4, "heights": 2, "tones": 8},
    "video_snapshot": TINY["video_snapshot"],
}
TOO_LONG = {
    "cone": ["TV"],
    "cone_scan": ["TV"],
    "ct": ["TV"],
    "ct_scan": ["TV"],
    "ct_sinogram": ["TV"],
    "fmcw": ["L1, x ≥ 0", "variance field"],
    "gotcha": ["L1"],
    "kspace": ["L1-wavelet"],
    "kspace_scan": ["L1-wavelet", "TV"],
    "phase_history": ["L1"],
    "register": ["TV-L1 flow", "B-spline grid"],
    "single_pixel": ["TV"],
    "surfaces": ["L1", "variance field"],
    "video_snapshot": ["TV"],
}
"""Classical methods of many iterations, each operation of which costs one of Python here. The same
methods are tested on other problems, or were run by hand (docs/devices.md)."""
DECIDED = ["audio", "cone", "ct", "deblur", "denoise", "fusion", "kspace", "sar", "spectral_sr"]
"""Problems of all kinds, of which `solve` is asked without choices."""
UNDRAWN = ("surfaces",)
"""Problems whose own file and figure need a second fit, of hundreds of steps."""
CHECKED = sorted({*GIVEN, *FILES, "gotcha"})
SMALL = {"steps": 2, "batch": 16, "callbacks": ()}


def test_no_problem_is_forgotten():
    assert {*problems()} == {*CHECKED}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHECKED)
def test_a_problem_goes_the_whole_way_on_the_make_believe_device(name, tmp_path, request):
    if name in FILES:
        given = FILES[name](tmp_path)
    elif name == "gotcha":
        data = request.getfixturevalue("data")
        given = GOTCHA | {"paths": [str(data.file(f"gotcha_pass1_HH_az00{k}.mat")) for k in (1, 2)]}
    else:
        given = GIVEN[name]
    tables = {"problem": {"name": name, **given}}
    made = Run.of(tables).problem()
    if name in UNDRAWN:
        made = replace(made, suggested=replace(made.suggested, write=None, figure=None))
    methods = [m for m in made.suggested.baselines if m not in TOO_LONG.get(name, ())]
    tables["solver"] = {"steps": 2, "batch": 8, "device": "auto"}
    tables["baselines"] = {"names": methods}
    with FakeCuda():
        there = made.to("cuda")
        _, solutions = go_the_whole_way(Run.of(tables), tmp_path, problem=there)
        assert len(solutions) == len(methods) + 1
        for solution in solutions:
            _require_on_the_device(solution)
    assert made.device.type == "cpu"


def _require_on_the_device(solution: Solution) -> None:
    assert solution.problem.device == CUDA, solution.method
    assert solution.image().device == CUDA, solution.method


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", DECIDED)
def test_solving_without_choices_decides_on_the_device(name, monkeypatch):
    """All that is tried is tried there; fits, of hundreds of steps, are cut short."""
    init = Solver.__init__

    @wraps(init)
    def short(self, *given, steps=None, **options):
        init(self, *given, steps=min(3, steps or 3), **options)

    monkeypatch.setattr(Solver, "__init__", short)
    problem = problems()[name](**GIVEN[name])
    methods = dict(problem.suggested.baselines)
    for method in TOO_LONG.get(name, ()):
        methods.pop(method)
    problem = replace(problem, suggested=replace(problem.suggested, baselines=methods))
    with FakeCuda():
        solution = ii.solve(problem, device="cuda")
        _require_on_the_device(solution)
        assert "chosen" in solution.details
        solution.summary()


def _small(seed: int = 0) -> Problem:
    return ct(size=12, views=6, seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["hash", "siren"])
def test_many_problems_are_solved_together_on_the_device(prior):
    with FakeCuda():
        found = solve_many([_small(), _small(1)], prior, device="cuda", **SMALL)
        assert not any("one by one" in solution.details for solution in found)
        for solution in found:
            _require_on_the_device(solution)


@pytest.mark.slow
def test_deviations_are_found_and_calibrated_on_the_device():
    with FakeCuda():
        fits = ensemble(_small(), "grid", count=2, device="cuda", **SMALL)
        siren = Solver(_small(), "siren", device="cuda", **SMALL).run()
        maps = [
            fits.deviation(),
            linearised(fits.members[0]).deviation(),
            linearised(siren, parameters="last").deviation(),
            coordinate_laplace(siren, nodes=6).deviation(),
        ]
        truth = siren.problem.reference
        assert truth is not None
        error = siren.image() - ii.sample(truth, siren.problem.grid).to(CUDA)
        for deviation in maps:
            assert deviation.device == CUDA
            assert bool(torch.isfinite(deviation).all())
            assert report(error, deviation) is not None
        for kind in ("values", "problems"):
            factor = conformal([error, error], maps[:2], level=0.5, exchangeable=kind)
            assert 0 < factor < float("inf")
