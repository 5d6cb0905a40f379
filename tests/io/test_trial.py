"""A file on which the HDF5 library dies or never ends does not take the interpreter with it."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from inverse_inr.io import FileFormatError, read_hdf5, trial
from inverse_inr.io.trial import Trial

DYING = """
import os, sys
for line in sys.stdin:
    if "deadly" in line:
        os.abort()
    if "endless" in line:
        import time
        time.sleep(60)
    print("done", flush=True)
"""
"""A process that dies or sleeps over files by their names."""


@pytest.fixture
def looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "program.py"
    program.write_text(DYING)
    monkeypatch.setattr(trial, "PROGRAM", program)
    made = Trial(seconds=1.0)
    yield made
    made.close()


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(3.0)
    return path


def test_a_file_that_kills_the_process_is_named_and_the_next_one_passes(
    looking: Trial, tmp_path: Path
):
    assert looking.fault(_file(tmp_path, "deadly.h5")) == (
        "it makes the library that reads it crash"
    )
    assert looking.fault(_file(tmp_path, "sound.h5")) == ""


def test_a_file_over_which_the_process_never_ends_is_named(looking: Trial, tmp_path: Path):
    assert "no end in 1 s" in looking.fault(_file(tmp_path, "endless.h5"))


def test_a_file_is_looked_through_once_until_it_changes(looking: Trial, tmp_path: Path):
    path = _file(tmp_path, "sound.h5")
    assert looking.fault(path) == ""
    process = looking._process
    assert process is not None
    process.kill()
    process.wait()
    assert looking.fault(path) == ""
    assert looking._process is process  # nobody was asked
    os.utime(path, (1, 1))
    assert looking.fault(path) == ""
    assert looking._process is not process


def test_the_error_names_the_file(looking: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trial, "HDF5", looking)
    path = _file(tmp_path, "deadly.h5")
    with pytest.raises(FileFormatError, match=r"deadly\.h5: .* that is damaged: it makes"):
        read_hdf5(path, "values")


def test_the_real_process_reads_sound_files(tmp_path: Path):
    path = _file(tmp_path, "sound.h5")
    assert read_hdf5(path, "values").tolist() == [0.0, 1.0, 2.0]
    assert trial.HDF5._process is not None
    assert trial.HDF5._process.poll() is None
