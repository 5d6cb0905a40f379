"""Presets, tiny, go the whole way on a make-believe GPU, and all of them on a real one."""

import os
from pathlib import Path

import pytest
import torch
from cases.command.presets import FOLDER, NAMES, go_the_whole_way, tiny

from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA

NEEDS_FILES = "needs files of one's own"

QUICK = ("audio", "boundary_value", "cassi", "ct", "fmcw")
"""Presets that take seconds on the make-believe device, whose every operation costs one of Python;
the others take minutes each, and run on a GPU."""


@pytest.fixture
def _data(monkeypatch) -> None:
    folder = os.environ.get("INVERSE_INR_DATA") or FOLDER.parents[1] / "shared" / "data"
    monkeypatch.setenv("INVERSE_INR_DATA", str(folder))


def _go(name: str, device: str, folder: Path) -> None:
    done: list[str] = []
    run = tiny(name, device)
    try:
        problem, solutions = go_the_whole_way(run, folder, done.append)
    except FileNotFoundError as error:
        if done:
            raise
        pytest.skip(f"needs real data: {error}")
    except ValueError as error:
        if done or name != "slices":
            raise
        pytest.skip(f"{NEEDS_FILES}: {error}")
    assert problem.device.type == "cuda"
    for solution in solutions:
        assert solution.problem.device == problem.device
        assert solution.image().device == problem.device


@pytest.mark.slow
@pytest.mark.usefixtures("_data")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", QUICK)
def test_a_preset_goes_the_whole_way_on_the_make_believe_device(name, tmp_path):
    with FakeCuda():
        assert torch.device("cuda", 0) == CUDA
        _go(name, "auto", tmp_path)


@pytest.mark.gpu
@pytest.mark.usefixtures("_data")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_a_preset_goes_the_whole_way_on_a_gpu(name, tmp_path):
    _go(name, "cuda", tmp_path)
