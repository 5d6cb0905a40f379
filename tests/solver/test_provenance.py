"""What a solution writes holds every setting, what was learnt, and what its file said besides."""

import json
from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import io
from inverse_inr.command.looking.exporting import export
from inverse_inr.command.tables import ConfigError
from inverse_inr.domain import Box, Grid
from inverse_inr.operators import ParallelBeam
from inverse_inr.solver import Solution
from inverse_inr.solver.identity import record_of

GRID = Grid(Box((-1.0, -1.0), (1.0, 1.0), ("mm", "mm")), (8, 8))


@pytest.fixture(scope="module")
def solution() -> Solution:
    angles = torch.linspace(0, 3, 6)
    beam = ParallelBeam(GRID.box, angles, 8, center=nn.Parameter(torch.tensor(0.1)))
    term = ii.Term(beam, torch.ones(len(beam)), ii.noise.Gaussian(0.1))
    grid = GRID.with_metadata({"format": "test", "numbers": [0.1, 2]})
    problem = ii.Problem([term], GRID.box, grid)
    penalty = 1e-3 * ii.regularizers.TotalVariation()
    return ii.solve(problem, "fourier", steps=2, regularizers=[penalty], seed=5, callbacks=[])


def test_the_record_names_problem_prior_solver_and_versions(solution: Solution):
    record = record_of(solution)
    assert record["software"]["torch"] == torch.__version__
    assert record["problem"]["terms"][0]["operator"] == "ParallelBeam(shape=(6, 8))"
    assert record["problem"]["terms"][0]["fidelity"]["sigma"] == 0.1
    assert record["prior"]["name"] == "fourier"
    assert record["solver"]["seed"] == 5
    assert record["solver"]["steps"] == 2
    assert record["solver"]["optimizer"]["name"] == "Adam"
    (penalty,) = record["solver"]["regularizers"]
    assert (penalty["weight"], penalty["name"]) == (1e-3, "TotalVariation")
    assert list(record["learnt"]) == ["0.center"]


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.h5", "a.zarr", "a.npz", "a.tif", "a.png"])
def test_every_file_holds_the_record_and_the_same_one(
    solution: Solution, tmp_path: Path, name: str
):
    solution.write(tmp_path / name)
    found = io.read_record(tmp_path / name)
    assert found is not None
    assert found["solver"]["seed"] == 5
    assert found["problem"]["measurements"] == record_of(solution)["problem"]["measurements"]


def test_hdf5_keeps_what_was_learnt_and_the_geometry_beside_the_image(
    solution: Solution, tmp_path: Path
):
    path = solution.write(tmp_path / "a.h5")
    with h5py.File(path, "r") as file:
        assert file["exchange/data"] == file["image"]
        assert file["learnt/0.center"][()] == pytest.approx(float(solution.learnt["0.center"]))  # pyright: ignore
        assert file["operators/0/angles"].shape == (6,)  # pyright: ignore
        assert json.loads(file["metadata"][()])["format"] == "test"  # pyright: ignore


def image(path: Path) -> tuple[Tensor, Grid]:
    return io.read_image(path)


def test_a_run_is_exported_with_its_record(
    solution: Solution, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = solution.save(tmp_path / "run")
    kept = image(run / "image.npz")
    assert kept[1].metadata == {"format": "test", "numbers": [0.1, 2]}
    for name in ("a.nii.gz", "a.h5", "a.tif"):
        export(run, tmp_path / name)
        found = io.read_record(tmp_path / name)
        assert found is not None
        assert found["solver"]["seed"] == 5
    assert torch.equal(image(tmp_path / "a.nii.gz")[0], kept[0])
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert file["learnt/0.center"].shape == ()  # pyright: ignore
    with pytest.raises(ConfigError, match=r"exists\. Choose"):
        export(run, tmp_path / "a.tif")
    export(run, tmp_path / "a.tif", force=True)
    with pytest.raises(FileNotFoundError, match=r"holds image\.npz"):
        export(tmp_path, tmp_path / "b.tif")
    assert "written" in capsys.readouterr().out


def test_a_run_is_exported_as_dicom(solution: Solution, tmp_path: Path):
    pydicom = pytest.importorskip("pydicom", reason="pydicom (the dicom extra) is not installed")
    run = solution.save(tmp_path / "run")
    export(run, tmp_path / "a.dcm", description="fitted", hounsfield=True)
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert (dataset.DerivationDescription, dataset.RescaleType) == ("fitted", "HU")
    assert io.read_record(tmp_path / "a.dcm") == io.read_record(run / "image.npz")
