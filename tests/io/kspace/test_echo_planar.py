"""Echo-planar ISMRMRD: turned readouts, the phase between polarities, samples on ramps."""

import math
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
    relative,
    root_sum_of_squares,
    write_own,
)

from inverse_inr.io import FileFormatError, read_kspace
from inverse_inr.io.kspace.echo_planar import ramp_positions
from inverse_inr.io.kspace.header import Encoding
from inverse_inr.io.kspace.header import Space as HeaderSpace

IMAGES = coil_images()
K = kspace_of(IMAGES)
TRUTH = torch.from_numpy(K)
SPACE = Space((NX, NY), trajectory="epi")
writers = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def echo(k: np.ndarray, backward: bool, flags: tuple[int, ...] = (), **head: float) -> Readout:
    """A readout, stored in the order of time."""
    if backward:
        return Readout(k[:, ::-1], (22, *flags), head)
    return Readout(k, flags, head)


@writers
def test_reversed_readouts_are_turned_round(tmp_path: Path, write):
    lines = [echo(K[:, :, j], j % 2 == 1, kspace_encode_step_1=j) for j in range(NY)]
    raw = read_kspace(write(tmp_path / "a.h5", lines, header([SPACE])))
    assert relative(raw.values.abs(), TRUTH.abs()) < 1e-6
    assert "no phase-correction lines" in raw.notes["reversed readouts"]


def shifted(k: np.ndarray, offset: float, slope: float) -> np.ndarray:
    """Readouts (coils, x[, y]) whose image has a phase offset + slope x, as eddy currents leave."""
    x = np.arange(NX) - NX // 2
    wave = np.exp(1j * (offset + slope * x)).reshape(-1, *(1,) * (k.ndim - 2))
    image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(k, 1), axis=1), 1) * wave
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, 1), axis=1), 1)


@writers
@pytest.mark.parametrize(("offset", "slope"), [(0.6, 0.03), (-2.5, -0.15), (3.0, 0.3)])
def test_phase_correction_lines_remove_the_ghost(
    tmp_path: Path, write, offset: float, slope: float
):
    moved = shifted(K, offset, slope)
    navigator = [
        echo((moved if odd else K)[:, :, NY // 2], odd, (24,)) for odd in (False, True, False)
    ]
    image = [
        echo((moved if j % 2 else K)[:, :, j], j % 2 == 1, kspace_encode_step_1=j)
        for j in range(NY)
    ]
    truth = root_sum_of_squares(TRUTH)
    ghost = read_kspace(write(tmp_path / "a.h5", image, header([SPACE])))
    assert relative(root_sum_of_squares(ghost.values), truth) > 0.2
    raw = read_kspace(write(tmp_path / "b.h5", navigator + image, header([SPACE])))
    assert relative(root_sum_of_squares(raw.values), truth) < 0.02
    assert "corrected by 3 lines" in raw.notes["reversed readouts"]


@pytest.mark.parametrize("mirrored", [False, True], ids=["after the turn", "before the turn"])
def test_center_sample_of_a_reversed_partial_echo_is_told_by_the_energy(
    tmp_path: Path, mirrored: bool
):
    first = 6
    lines = []
    for j in range(NY):
        turned = j % 2 == 1
        center = NX // 2 - first
        if turned and mirrored:
            center = NX - first - 1 - center
        head = {"kspace_encode_step_1": j, "center_sample": center}
        lines.append(echo(K[:, first:, j], turned, **head))
    raw = read_kspace(write_own(tmp_path / "a.h5", lines, header([SPACE])))
    assert relative(raw.values.abs(), (TRUTH * raw.mask).abs()) < 1e-6
    assert ("before" if mirrored else "after") in raw.notes["reversed readouts"]


RAMP = {
    "rampUpTime": 40.0,
    "rampDownTime": 40.0,
    "flatTopTime": 100.0,
    "acqDelayTime": 10.0,
    "numSamples": 64.0,
    "dwellTime": 2.5,
}


def test_positions_on_a_trapezoid_are_its_integral():
    space = HeaderSpace((NX, NY, 1), None)
    encoding = Encoding(space, None, "epi", {}, "", RAMP)
    k = ramp_positions(encoding)
    assert k is not None
    assert k[0] == pytest.approx(-k[-1])
    step = np.diff(k)
    # on the flat top steps are equal, on the ramps they grow linearly
    assert step[20] == pytest.approx(step[40])
    assert step[0] < step[1] < step[5] < step[20]
    assert np.diff(step[:10]) == pytest.approx(step[1] - step[0])
    flat = {**RAMP, "acqDelayTime": 40.0, "numSamples": 40.0}
    assert ramp_positions(Encoding(space, None, "epi", {}, "", flat)) is None
    assert ramp_positions(Encoding(space, None, "epi", {}, "", {})) is None


def test_samples_on_ramps_are_put_on_the_matrix(tmp_path: Path):
    space = Space((NX, NY), trajectory="epi", description=RAMP)
    encoding = Encoding(HeaderSpace((NX, NY, 1), None), None, "epi", {}, "", RAMP)
    positions = ramp_positions(encoding)
    assert positions is not None
    x = np.arange(NX) - NX // 2
    waves = np.exp(-2j * math.pi * np.outer(positions, x) / NX) / NX**0.5
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(K, 1), axis=1, norm="ortho"), 1)
    on_ramp = np.einsum("sx,cxj->csj", waves, hybrid)
    lines = [echo(on_ramp[:, :, j], j % 2 == 1, kspace_encode_step_1=j) for j in range(NY)]
    raw = read_kspace(write_own(tmp_path / "a.h5", lines, header([space])))
    truth = root_sum_of_squares(TRUTH)
    assert relative(root_sum_of_squares(raw.values), truth) < 0.02
    assert "ramp" in raw.notes["ramp sampling"]
    short = [echo(on_ramp[:, :40, 0], False)]
    path = write_own(tmp_path / "b.h5", short, header([space]))
    with pytest.raises(FileFormatError, match=r"64 samples on a trapezoid .* a readout has 40"):
        read_kspace(path)
