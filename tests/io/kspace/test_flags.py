"""Acquisitions of ISMRMRD are used for what their flags say; what is no image is left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cases.mrd import (
    COILS,
    NX,
    NY,
    WRITERS,
    Readout,
    Space,
    coil_images,
    header,
    kspace_of,
    lines_of,
    relative,
    write_own,
)

from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.io.kspace.acquisitions import NO_IMAGE

K = kspace_of(coil_images())
TRUTH = torch.from_numpy(K)
OTHER = 40 * K[:, ::-1]
SPACE = Space((NX, NY))
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@writers
@pytest.mark.parametrize("flag", NO_IMAGE)
def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path, write, flag: int):
    path = write(tmp_path / "a.h5", lines_of(OTHER, (flag,)) + lines_of(K), header([SPACE]))
    raw = read_kspace(path)
    assert relative(raw.values.abs(), TRUTH.abs()) < 1e-6
    assert raw.notes["left out"] == f"{NY} {NO_IMAGE[flag]} (flag {flag})"


def test_our_numbers_of_flags_are_those_of_the_standard():
    ismrmrd = pytest.importorskip("ismrmrd", reason="the test extra has ismrmrd")
    names = {number: name for name, number in vars(ismrmrd).items() if name.startswith("ACQ_IS_")}
    ours = {19, 20, 21, 22, 24, *NO_IMAGE}
    assert ours == set(names)


@writers
def test_separate_reference_lines_make_maps_and_no_image(tmp_path: Path, write):
    middle = range(NY // 2 - 6, NY // 2 + 6)
    lines = [r for r in lines_of(K) if r.head["kspace_encode_step_1"] % 2 == 0]
    extra = [lines_of(OTHER, (20,), contrast=1)[j] for j in middle]
    raw = read_kspace(write(tmp_path / "a.h5", lines + extra, header([SPACE])))
    mask = torch.zeros(NX, NY, dtype=torch.bool)
    mask[:, ::2] = True
    assert torch.equal(raw.mask, mask)
    assert relative(raw.values.abs(), (TRUTH * mask).abs()) < 1e-6
    assert raw.calibration is not None
    assert torch.equal((raw.calibration != 0).any(0)[0].nonzero()[:, 0], torch.tensor(middle))


@writers
def test_embedded_reference_lines_belong_to_the_image(tmp_path: Path, write):
    flags = [(), (20,)]
    lines = [
        Readout(r.data, flags[j % 2], r.head)
        for j, r in enumerate(lines_of(K))
        if j % 2 == 0 or j > 8
    ]
    space = Space((NX, NY), calibration="embedded")
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([space])))
    assert raw.mask[:, 9:].all()
    assert relative(raw.values.abs(), (TRUTH * raw.mask).abs()) < 1e-6
    assert raw.notes["embedded calibration"] == "8 reference lines belong to the image"


@writers
def test_lines_for_calibration_and_imaging_are_image_lines(tmp_path: Path, write):
    raw = read_kspace(write(tmp_path / "a.h5", lines_of(K, (20, 21)), header([SPACE])))
    assert raw.mask.all()
    assert raw.calibration is None


def noise(count: int, mixing: np.ndarray, seed: int = 0) -> np.ndarray:
    """(channels, count) complex noise whose covariance is mixing mixingᴴ."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((2, COILS, count)) / 2**0.5
    return mixing @ (white[0] + 1j * white[1])


MIXING = np.array([[1.0, 0, 0], [0.5j, 0.4, 0], [0.2, 0.1j, 2.0]])


@writers
def test_a_noise_scan_gives_the_covariance_at_the_image_s_bandwidth(tmp_path: Path, write):
    scans = [
        Readout(noise(4000, MIXING, seed), (19,), {"sample_time_us": 5.0}) for seed in range(5)
    ]
    lines = scans + lines_of(K, sample_time_us=10.0)
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([SPACE], bandwidth=0.8)))
    expected = torch.from_numpy(MIXING @ MIXING.conj().T) * (5 / 10) / 0.8
    assert raw.noise is not None
    assert relative(raw.noise.real, expected.real) < 0.03
    assert relative(raw.noise.imag, expected.imag) < 0.06
    assert "20000 samples of 3 channels, sampling times 5 and 10 µs" in raw.notes["noise scan"]


def test_a_noise_scan_may_stand_in_another_file(tmp_path: Path):
    scan = write_own(tmp_path / "n.h5", [Readout(noise(900, MIXING), (19,))], header([SPACE]))
    path = write_own(tmp_path / "a.h5", lines_of(K), header([SPACE]))
    assert read_kspace(path).noise is None
    found = read_kspace(path, noise_scan=scan).noise
    assert found is not None
    assert relative(found.real, torch.from_numpy(MIXING @ MIXING.conj().T).real) < 0.1
    with pytest.raises(FileFormatError, match="holds no noise scan"):
        read_kspace(path, noise_scan=path)


def test_a_noise_scan_that_tells_no_covariance_is_not_used(tmp_path: Path):
    lines = [Readout(np.ones((COILS, 256)), (19,)), *lines_of(K)]
    raw = read_kspace(write_own(tmp_path / "a.h5", lines, header([SPACE])))
    assert raw.noise is None
    assert "rank 1 for 3 channels" in raw.notes["noise scan"]


def test_compressed_samples_are_refused(tmp_path: Path):
    path = write_own(tmp_path / "a.h5", lines_of(K, (53,)), header([SPACE]))
    with pytest.raises(FileFormatError, match="compressed"):
        read_kspace(path)


def test_records_whose_fields_overlap_are_refused_before_they_are_read(tmp_path: Path):
    """A damaged description crashes the HDF5 library when its samples are freed."""
    path = write_own(tmp_path / "a.h5", lines_of(K), header([SPACE]))
    whole = path.read_bytes()
    at = whole.index(b"sample_time_us")
    # the member's size follows its name, offset and class
    changed = bytearray(whole)
    size = changed.index(b"\x04\x00\x00\x00", at)
    changed[size] = 8
    path.write_bytes(changed)
    with pytest.raises(FileFormatError):
        read_kspace(path)
