"""Measurements that stay in their file: the same values, the same fits, and errors that say why."""

import copy
import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid, Problem, Solver, Term, fidelity, operators
from inverse_inr.domain import Grid as AnyGrid
from inverse_inr.io import FileFormatError, stored_array
from inverse_inr.io.slabs import open_slabs
from inverse_inr.io.stored import StoredTensor, sources, tensor

SHAPE = (23, 5, 7)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)


def npy(folder: Path) -> dict[str, Any]:
    np.save(folder / "y.npy", VALUES)
    return {"path": folder / "y.npy"}


def hdf5(folder: Path, **options: Any) -> dict[str, Any]:
    with h5py.File(folder / "y.h5", "w") as file:
        file.create_dataset("scan/y", data=VALUES, **options)
    return {"path": folder / "y.h5", "dataset": "scan/y"}


def packed(folder: Path) -> dict[str, Any]:
    return hdf5(folder, chunks=(4, 3, 7), compression="gzip", shuffle=True)


def zarr_2(folder: Path) -> dict[str, Any]:
    box = Box((0.0,) * 3, (1.0,) * 3)
    with open_slabs(folder / "y.zarr", AnyGrid(box, SHAPE), 1, torch.float32, 6) as file:
        for start in range(0, SHAPE[0], 6):
            file.put(torch.from_numpy(VALUES[start : start + 6])[..., None])
    return {"path": folder / "y.zarr"}


def zarr_3(folder: Path) -> dict[str, Any]:
    """By the specification: chunks of the default key encoding, gzip, big endian."""
    path = folder / "y.zarr"
    about = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": SHAPE,
        "data_type": "float32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [8, 5, 4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "gzip", "configuration": {"level": 1}},
        ],
    }
    for a in range(3):
        for b in range(2):
            chunk = np.zeros((8, 5, 4), ">f4")
            part = VALUES[8 * a : 8 * a + 8, :, 4 * b : 4 * b + 4]
            chunk[: part.shape[0], :, : part.shape[2]] = part
            file = path / "c" / str(a) / "0" / str(b)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(gzip.compress(chunk.tobytes()))
    (path / "zarr.json").write_text(json.dumps(about))
    return {"path": path}


KINDS = [npy, hdf5, packed, zarr_2, zarr_3]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tensor, "ROWS_A_BLOCK", 40)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("trailing", [0, 1])
def test_rows_are_those_of_the_file(make: Callable[[Path], Any], trailing: int, tmp_path: Path):
    y = stored_array(**make(tmp_path), trailing=trailing)
    whole = torch.from_numpy(VALUES).reshape(-1, *SHAPE[3 - trailing :])
    assert y.shape == whole.shape
    torch.testing.assert_close(y[:], whole, rtol=0, atol=0)
    rows = torch.tensor([len(whole) - 1, 0, 17, 17, 60])
    torch.testing.assert_close(y[rows], whole[rows], rtol=0, atol=0)
    torch.testing.assert_close(y.to(torch.float64)[rows], whole[rows].double(), rtol=0, atol=0)
    y.close()


@pytest.mark.parametrize("start", [0, 3, 35, 36, 104])
@pytest.mark.parametrize("stop", [105, 104, 37])
def test_pieces_are_a_range_of_the_flat_index(start: int, stop: int):
    array = np.arange(105).reshape(3, 5, 7)
    stop = max(start + 1, stop)
    found = [array[place].reshape(-1) for place in sources.pieces(start, stop, array.shape)]
    np.testing.assert_array_equal(np.concatenate(found), np.arange(start, stop))


def problem(y: torch.Tensor) -> Problem:
    box = Box((-1.0,) * 2, (1.0,) * 2)
    beam = operators.ParallelBeam(box, torch.arange(23) * 0.13, 35)
    return Problem([Term(beam, y, fidelity.L2())], box, Grid(box, (8, 8)))


def test_a_fit_from_disk_resumes_bit_for_bit(tmp_path: Path):
    made = packed(tmp_path)

    def solver() -> Solver:
        return Solver(problem(stored_array(**made)), "grid", steps=12, batch=50, lr=0.05)

    whole = solver()
    whole.run()
    begun = solver()
    for _ in range(7):
        begun.step()
    resumed = solver()
    resumed.load_state_dict(begun.state_dict())
    resumed.run()
    for a, b in zip(resumed.prior.parameters(), whole.prior.parameters(), strict=True):
        assert torch.equal(a, b)
    assert whole.history[-1]["loss"] < whole.history[0]["loss"] or len(whole.history) == 1


def test_an_epoch_sees_every_row_once_a_few_blocks_at_a_time(tmp_path: Path):
    y = stored_array(**npy(tmp_path))
    schedule = Solver(problem(y), "grid", steps=1, batch=20).schedules[0]
    rows = [schedule.at(k) for k in range(len(schedule.rows) // 20)]
    assert len(torch.cat(rows).unique()) == 20 * len(rows)
    assert y.block == 40
    y.close()


def test_copies_share_the_file_and_nothing_else_is_computed(tmp_path: Path):
    y = stored_array(**npy(tmp_path))
    assert copy.deepcopy(y) is y
    again = pickle.loads(pickle.dumps(y))
    assert isinstance(again, StoredTensor)
    torch.testing.assert_close(again[:5], y[:5])
    with pytest.raises(TypeError, match="a part at a time"):
        torch.isfinite(y)
    with pytest.raises(TypeError, match="by a slice or by"):
        y[..., None]
    with pytest.raises(IndexError, match="rows run from 0 to 804"):
        y[torch.tensor([805])]


@pytest.mark.parametrize("make", KINDS)
def test_a_file_that_is_altered_cut_or_gone_is_named(make: Callable[[Path], Any], tmp_path: Path):
    made = make(tmp_path)
    y = stored_array(**made)
    assert len(y[:3]) == 3
    path = Path(made["path"])
    if path.is_dir():
        path = next(p for p in (path / ".zarray", path / "zarr.json") if p.exists())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match="was altered while its values are in use"):
        y[700:]
    path.unlink()
    with pytest.raises(FileFormatError, match="the file is gone"):
        y[600:620]


@pytest.mark.parametrize("make", KINDS)
def test_a_file_that_was_closed_is_named(make: Callable[[Path], Any], tmp_path: Path):
    y = stored_array(**make(tmp_path))
    y.close()
    with pytest.raises(FileFormatError, match=r"[Cc]losed"):
        y[:3]


def test_a_chunk_of_zarr_that_is_gone_or_cut_is_named(tmp_path: Path):
    folder = zarr_3(tmp_path)["path"]
    y = stored_array(folder)
    chunk = folder / "c" / "2" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match="no chunk of shape"):
        y[750:]
    chunk.unlink()
    with pytest.raises(FileFormatError, match="the chunk is gone"):
        y[710:720]
    # what was never written holds the fill value
    assert not bool(stored_array(folder, trailing=1)[torch.tensor([23 * 5 - 1])][0, 4:].any())


@pytest.mark.parametrize(
    ("codec", "named"), [("blosc", "packed by blosc"), ("sharding_indexed", "packed by sharding")]
)
def test_what_needs_a_library_is_refused_by_name(codec: str, named: str, tmp_path: Path):
    folder = zarr_3(tmp_path)["path"]
    about = json.loads((folder / "zarr.json").read_text())
    about["codecs"].append({"name": codec})
    (folder / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(FileFormatError, match=named):
        stored_array(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda f: {"path": f / "none.npy"}, "no such file"),
        (lambda f: {"path": f / "none.zarr"}, "no such folder"),
        (lambda f: {"path": f}, "neither .zarray nor zarr.json"),
        (lambda f: {**hdf5(f), "dataset": "y"}, "expected dataset 'y'"),
        (lambda f: {**npy(f), "trailing": 3}, "holds no rows"),
    ],
)
def test_wrong_names_are_refused(change: Callable[[Path], Any], named: str, tmp_path: Path):
    with pytest.raises((ValueError, FileNotFoundError), match=named):
        stored_array(**change(tmp_path))
