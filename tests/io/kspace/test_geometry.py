"""ISMRMRD geometry: volumes, partial Fourier and echoes, discards, oversampling, millimetres."""

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
    relative,
    write_own,
)

from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.operators.kspace.centred_fft import centred_fft
from inverse_inr.problems.kspace import kspace_scan

K = kspace_of(coil_images())
TRUTH = torch.from_numpy(K)
SPACE = Space((NX, NY))
LIMITS = "kspace_encoding_step_1"
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@writers
@pytest.mark.parametrize("pattern", ["full", "elliptical", "CAIPI"])
def test_a_volume_is_read_as_one(tmp_path: Path, write, pattern: str):
    shape = (16, 12, 10)
    k = kspace_of(coil_images(shape))
    y, z = np.meshgrid(np.arange(12), np.arange(10), indexing="ij")
    keep = {
        "full": np.ones((12, 10), bool),
        "elliptical": ((y - 6) / 6) ** 2 + ((z - 5) / 5) ** 2 <= 1,
        "CAIPI": ((y + z) % 2 == 0) | ((abs(y - 6) < 3) & (abs(z - 5) < 3)),
    }[pattern]
    lines = [
        Readout(k[:, :, a, b], (), {"kspace_encode_step_1": a, "kspace_encode_step_2": b})
        for a, b in zip(*keep.nonzero(), strict=True)
    ]
    space = Space(shape, (32.0, 18.0, 40.0))
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([space])))
    assert raw.spacing == (2.0, 1.5, 4.0)
    assert torch.equal(raw.mask, torch.from_numpy(keep).expand(shape))
    assert relative(raw.values.abs(), (torch.from_numpy(k) * raw.mask).abs()) < 1e-6
    assert raw.fully_sampled == (pattern == "full")
    one = read_kspace(tmp_path / "a.h5", partition=5)
    assert one.values.shape == (3, 16, 12)
    assert relative(one.values.abs(), (torch.from_numpy(k[..., 5]) * one.mask).abs()) < 1e-6


@writers
def test_partial_fourier_is_placed_by_the_centre_of_its_limits(tmp_path: Path, write):
    measured = range(9, NY)
    lines = [Readout(K[:, :, j], (), {"kspace_encode_step_1": j - measured[0]}) for j in measured]
    space = Space((NX, NY), limits={LIMITS: (0, len(lines) - 1, NY // 2 - measured[0])})
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([space])))
    assert not raw.mask[:, : measured[0]].any()
    assert relative(raw.values.abs(), (TRUTH * raw.mask).abs()) < 1e-6


@writers
def test_a_partial_echo_and_discarded_samples_are_placed_by_center_sample(tmp_path: Path, write):
    first, before, after = 7, 4, 2
    junk = 99 * np.ones((3, NX))
    lines = [
        Readout(
            np.concatenate([junk[:, :before], K[:, first:, j], junk[:, :after]], 1),
            (),
            {
                "kspace_encode_step_1": j,
                "discard_pre": before,
                "discard_post": after,
                "center_sample": NX // 2 - first + before,
            },
        )
        for j in range(NY)
    ]
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([SPACE])))
    assert not raw.mask[:first].any()
    assert raw.mask[first:].all()
    assert relative(raw.values.abs(), (TRUTH * raw.mask).abs()) < 1e-6


def oversampled(fill: float) -> torch.Tensor:
    """(coils, 2 NX, NY) images whose outer half holds a rim of some brightness."""
    images = coil_images()
    wide = torch.full((3, 2 * NX, NY), fill, dtype=images.dtype)
    wide[:, NX // 2 : NX // 2 + NX] = images
    return wide


@writers
def test_an_oversampled_readout_is_cropped_to_the_image(tmp_path: Path, write):
    wide = kspace_of(oversampled(3.0))  # whatever lies beside the image is cut off
    space = Space((2 * NX, NY), (2 * 64.0, 48.0), (NX, NY), (64.0, 48.0))
    path = write(tmp_path / "a.h5", lines_of(wide), header([space]))
    raw = read_kspace(path)
    assert raw.spacing == (2.0, 2.0)
    assert relative(raw.values.abs(), TRUTH.abs()) < 1e-5
    assert raw.notes["readout"].startswith("oversampled: 32 of 64")
    problem = kspace_scan(str(path))
    assert problem.grid.shape == (NX, NY)
    assert problem.grid.spacing == pytest.approx((2.0, 2.0))


@pytest.mark.parametrize(
    ("view", "recon", "kept"),
    [((128.0, 48.0), (NX // 2, NY), NX), ((96.0, 48.0), (NX, NY), 43)],
    ids=["coarser pixels", "a field of view of two thirds"],
)
def test_the_field_of_view_decides_what_is_cut_off(
    tmp_path: Path, view: tuple[float, ...], recon: tuple[int, ...], kept: int
):
    """Pixels that the scanner would interpolate to are not the file's."""
    wide = kspace_of(oversampled(0.0))
    space = Space((2 * NX, NY), view, recon, (64.0, 48.0))
    raw = read_kspace(write_own(tmp_path / "a.h5", lines_of(wide), header([space])))
    assert raw.values.shape == (3, kept, NY)
    assert raw.spacing == (view[0] / 64, 2.0)


@pytest.mark.parametrize(("fill", "kept"), [(0.0, NX), (0.5, 2 * NX)], ids=["empty", "filled"])
def test_a_header_of_one_field_of_view_and_two_matrices_cuts_off_nothing_bright(
    tmp_path: Path, fill: float, kept: int
):
    space = Space((2 * NX, NY), (128.0, 48.0), (NX, NY), (128.0, 48.0))
    lines = lines_of(kspace_of(oversampled(fill)))
    raw = read_kspace(write_own(tmp_path / "a.h5", lines, header([space])))
    assert raw.values.shape == (3, kept, NY)
    assert "same field of view of 128 mm" in raw.notes["readout"]


def test_an_oversampled_partial_echo_is_kept_whole(tmp_path: Path):
    wide = kspace_of(oversampled(0.0))
    lines = [
        Readout(wide[:, 10:, j], (), {"kspace_encode_step_1": j, "center_sample": NX - 10})
        for j in range(NY)
    ]
    space = Space((2 * NX, NY), (128.0, 48.0), (NX, NY), (64.0, 48.0))
    raw = read_kspace(write_own(tmp_path / "a.h5", lines, header([space])))
    assert raw.values.shape == (3, 2 * NX, NY)
    assert "partial echoes" in raw.notes["readout"]


@pytest.mark.parametrize("kept", [NX, NX - 1, NX // 2 + 1])
def test_the_crop_is_unitary_and_keeps_the_origin(kept: int):
    from inverse_inr.io.kspace.placement import cropped_readout

    images = torch.zeros(1, 2 * NX, 3, dtype=torch.complex128)
    images[0, NX, 1] = 2.0
    images[0, NX + 3, 2] = 1j
    small = torch.zeros(1, kept, 3, dtype=torch.complex128)
    small[0, kept // 2, 1] = 2.0
    small[0, kept // 2 + 3, 2] = 1j
    along = centred_fft(images.movedim(1, -1), 1).movedim(-1, 1)
    expected = centred_fft(small.movedim(1, -1), 1).movedim(-1, 1)
    torch.testing.assert_close(cropped_readout(along, kept), expected)


REFUSED = {
    "lines beyond the matrix": (
        [Readout(K[:, :, 0], (), {"kspace_encode_step_1": 40})],
        SPACE,
        r"kspace_encode_step_1=40 is line 40 of the 24 lines of encodedSpace \(y=24, no",
    ),
    "lines beyond the limits": (
        [Readout(K[:, :, 0], (), {"kspace_encode_step_1": 0})],
        Space((NX, NY), limits={LIMITS: (0, 23, 20)}),
        r"encodingLimits 0 to 23, centre 20",
    ),
    "partitions without room": (
        [Readout(K[:, :, 0], (), {"kspace_encode_step_2": z}) for z in range(4)],
        SPACE,
        "kspace_encode_step_2 goes from 0 to 3, but encodedSpace has z=1",
    ),
    "oversampling missing": (
        [Readout(np.concatenate([K, K], 1)[:, :, 0])],
        SPACE,
        "64 samples with center_sample 32 does not fit the 32 samples .* oversampling missing",
    ),
    "all discarded": (
        [Readout(K[:, :, 0], (), {"discard_pre": 30, "discard_post": 2})],
        SPACE,
        r"discards 30 \(discard_pre\) and 2",
    ),
    "metres": (
        lines_of(K),
        Space((NX, NY), (0.2, 0.2)),
        "fieldOfView_mm .* metres",
    ),
    "a header of a giant": (lines_of(K), Space((60000, 60000)), "A damaged header"),
}


@pytest.mark.parametrize("slip", REFUSED)
def test_what_contradicts_the_header_is_refused_by_name(tmp_path: Path, slip: str):
    lines, space, message = REFUSED[slip]
    path = write_own(tmp_path / "a.h5", lines, header([space]))
    with pytest.raises(FileFormatError, match=message):
        read_kspace(path)


def test_an_empty_center_sample_is_the_middle_of_a_whole_readout(tmp_path: Path):
    path = write_own(tmp_path / "a.h5", lines_of(K, center_sample=0), header([SPACE]))
    raw = read_kspace(path)
    assert torch.allclose(raw.values, TRUTH.to(raw.values))
    assert "middle" in raw.notes["center_sample"]
