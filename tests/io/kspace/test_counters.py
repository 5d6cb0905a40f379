"""Counters of ISMRMRD are chosen by name, never mixed, and listed when not chosen."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.mrd import (
    NX,
    NY,
    WRITERS,
    Readout,
    Space,
    coil_images,
    header,
    kspace_of,
    lines_of,
    write_own,
)

from inverse_inr.io import FileFormatError, SelectionError, read_kspace
from inverse_inr.problems.kspace import kspace_scan

KEYWORDS = {
    "slice": "slice",
    "contrast": "contrast",
    "set": "set",
    "phase": "phase",
    "repetition": "repetition",
}
K = kspace_of(coil_images())
SPACE = Space((NX, NY))
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def same(values: torch.Tensor, k: np.ndarray) -> bool:
    return np.allclose(values.numpy(), k, atol=1e-5 * np.abs(k).max())


@writers
@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_counter_is_chosen_by_its_value(tmp_path: Path, write, keyword: str):
    lines = [r for c in (2, 3, 5) for r in lines_of(c * K, **{KEYWORDS[keyword]: c})]
    path = write(tmp_path / "a.h5", lines, header([SPACE]))
    for value in (2, 3, 5):
        raw = read_kspace(path, **{keyword: value})
        assert same(raw.values, value * K)
        assert raw.notes[keyword] == f"{value} of 2, 3, 5"
    assert same(read_kspace(path, **{keyword: -1}).values, 5 * K)
    default = read_kspace(path)
    assert same(default.values, (3 if keyword == "slice" else 2) * K)
    assert "of 2, 3, 5 (default;" in default.notes[keyword]
    with pytest.raises(SelectionError, match=f"{keyword}=4, but the file holds 3: 2, 3, 5"):
        read_kspace(path, **{keyword: 4})


@writers
def test_averages_are_averaged_unless_one_is_chosen(tmp_path: Path, write):
    lines = lines_of(K, average=0) + lines_of(3 * K, average=1)
    path = write(tmp_path / "a.h5", lines, header([SPACE]))
    raw = read_kspace(path)
    assert same(raw.values, 2 * K)
    assert raw.counts is not None
    assert int(raw.counts.min()) == int(raw.counts.max()) == 2
    assert same(read_kspace(path, average=1).values, 3 * K)


@writers
def test_encoding_spaces_have_matrices_of_their_own(tmp_path: Path, write):
    small = kspace_of(coil_images((16, 12)))
    lines = lines_of(K) + lines_of(small, encoding_space_ref=1)
    path = write(tmp_path / "a.h5", lines, header([SPACE, Space((16, 12), (32.0, 12.0))]))
    assert same(read_kspace(path).values, K)
    second = read_kspace(path, encoding_space=1)
    assert same(second.values, small)
    assert second.spacing == (2.0, 1.0)


def test_an_encoding_space_that_the_header_lacks_is_refused(tmp_path: Path):
    path = write_own(tmp_path / "a.h5", lines_of(K, encoding_space_ref=1), header([SPACE]))
    with pytest.raises(FileFormatError, match="encoding space 1, the header describes 1"):
        read_kspace(path)


@pytest.mark.slow
def test_counters_are_keywords_of_the_problem_too(tmp_path: Path):
    lines = [
        r
        for c in (0, 1)
        for p in (0, 1)
        for r in lines_of((1 + c + 2 * p) * K, contrast=c, phase=p)
    ]
    path = str(write_own(tmp_path / "a.h5", lines, header([SPACE])))
    scales = [
        kspace_scan(path, contrast=c, cardiac_phase=p, whiten="none").notes["scale"]
        for c, p in ((0, 0), (1, 0), (0, 1))
    ]
    assert scales[0] / scales[1] == pytest.approx(2, rel=1e-4)
    assert scales[0] / scales[2] == pytest.approx(3, rel=1e-4)
    assert "chooses another" in kspace_scan(path).notes["phase"]


def test_one_of_several_datasets_is_chosen_by_name(tmp_path: Path):
    path = tmp_path / "a.h5"
    write_own(path, lines_of(K), header([SPACE]), "first")
    write_own(path, lines_of(2 * K), header([SPACE]), "second")
    with pytest.raises(SelectionError, match="several datasets, first, second"):
        read_kspace(path)
    assert same(read_kspace(path, dataset="second").values, 2 * K)
    with pytest.raises(SelectionError, match="dataset='third', but the file holds "):
        read_kspace(path, dataset="third")
    write_own(path, lines_of(4 * K), header([SPACE]))
    raw = read_kspace(path)
    assert same(raw.values, 4 * K)
    assert "dataset=... chooses another" in raw.notes["dataset"]


def test_keywords_of_another_format_are_refused(tmp_path: Path):
    path = write_own(tmp_path / "a.h5", lines_of(K), header([SPACE]))
    with pytest.raises(SelectionError, match="coil_axis=1, but an ISMRMRD file has no coil_axis"):
        read_kspace(path, coil_axis=1)


def test_channels_that_come_and_go_are_refused(tmp_path: Path):
    lines = [*lines_of(K), Readout(K[:2, :, 0], (), {"kspace_encode_step_1": 0})]
    path = write_own(tmp_path / "a.h5", lines, header([SPACE]))
    with pytest.raises(FileFormatError, match=f"acquisition {NY} has 2 channels, others 3"):
        read_kspace(path)
