"""What all tests share: one thread, GPU tests only where there is a GPU, the data folder, a tiny problem."""

import os
from pathlib import Path

import pytest
import torch

from inverse_inr import Box, Grid, Problem, Term, noise, phantoms, predict
from inverse_inr.operators import ParallelBeam

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device; torch.cuda.is_available() is False"))


class DataFolder(type(Path())):
    """A Path to the real data sets; `data.file(name)` is one of them, or skips the test that needs it."""

    def file(self, name: str) -> Path:
        path = Path(self) / name
        if not path.exists():
            pytest.skip(f"{name} is not in {self}; set INVERSE_INR_DATA to the folder that holds it")
        return path


@pytest.fixture
def data() -> DataFolder:
    return DataFolder(os.environ.get("INVERSE_INR_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture
def problem() -> Problem:
    """Shepp-Logan on 16 x 16 pixels from 12 parallel views of 16 bins (192 rows), 1 % Gaussian noise."""
    box = Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
    operator = ParallelBeam(box, torch.arange(12) * torch.pi / 12, detectors=16)
    truth = phantoms.shepp_logan(box)
    model = noise.Gaussian(0.01)
    y = model.sample(predict(operator, truth), torch.Generator().manual_seed(0))
    return Problem([Term(operator, y, model)], box, Grid(box, (16, 16)), reference=truth)
