"""TI captures as they arrive: cut, in parts, padded, with lost packets; and when chirps begin."""

import pytest
import torch
from cases.ti import FRAMES, LOOPS, RECEIVERS, SAMPLES, written

from inverse_inr.io import CaptureSettings, FileFormatError, read_ti, read_ti_json

FRAME = 2 * 2 * LOOPS * 2 * RECEIVERS * SAMPLES  # bytes
UNTIL_STOPPED = {"frame": {"numFrames": 0}}


@pytest.fixture
def whole(tmp_path):
    """The samples of the capture as it was sent."""
    folder = tmp_path / "whole"
    folder.mkdir()
    return read_ti(*written(folder)).samples


@pytest.mark.parametrize(
    ("changes", "gone", "note"),
    [
        (UNTIL_STOPPED, 2, "cut: 574 bytes"),
        (UNTIL_STOPPED, 37, "cut: 539 bytes"),
        ({}, 2, "frames missing: 1 whole frames of the 2"),
        ({}, FRAME, "frames missing: 1 whole frames of the 2"),
    ],
    ids=["last word missing", "half a word missing", "known number", "last frame missing"],
)
def test_whole_frames_of_a_cut_capture_are_read(tmp_path, whole, changes, gone, note):
    data, about = written(tmp_path, **changes)
    data.write_bytes(data.read_bytes()[:-gone])
    with pytest.warns(UserWarning, match=note):
        capture = read_ti(data, about)
    assert torch.equal(capture.samples, whole[:1])
    assert capture.notes


@pytest.mark.parametrize("at", [FRAME, FRAME + 20, 1], ids=["frame", "word", "byte"])
def test_a_capture_in_parts_is_one_capture(tmp_path, whole, at):
    data, about = written(tmp_path)
    content = data.read_bytes()
    parts = [tmp_path / "raw_9.bin", tmp_path / "raw_10.bin"]
    parts[0].write_bytes(content[:at])
    parts[1].write_bytes(content[at:])
    capture = read_ti(parts, about)
    assert torch.equal(capture.samples, whole)
    assert not capture.notes
    with pytest.raises(ValueError, match="not in the order of their numbers"):
        read_ti(sorted(parts), about)
    with pytest.raises(ValueError, match="named twice"):
        read_ti([parts[0], parts[0]], about)


def test_no_parts_are_no_capture(tmp_path):
    with pytest.raises(ValueError, match="no files"):
        read_ti([], written(tmp_path)[1])


@pytest.mark.parametrize("changes", [{}, UNTIL_STOPPED], ids=["known number", "until stopped"])
@pytest.mark.parametrize("zeros", [6, FRAME, 2 * FRAME + 6])
def test_zeros_after_a_capture_are_padding(tmp_path, whole, changes, zeros):
    data, about = written(tmp_path, **changes)
    data.write_bytes(data.read_bytes() + bytes(zeros))
    with pytest.warns(UserWarning, match=f"padding: {zeros} bytes of zeros"):
        capture = read_ti(data, about)
    assert torch.equal(capture.samples, whole)


def test_chirps_of_lost_packets_are_marked(tmp_path):
    data, about = written(tmp_path)
    content = bytearray(data.read_bytes())
    chirp = FRAME // LOOPS // 2
    content[FRAME + chirp : FRAME + chirp + chirp // RECEIVERS] = bytes(chirp // RECEIVERS)
    data.write_bytes(content)
    with pytest.warns(UserWarning, match="chirps of zeros: 1 of 12"):
        capture = read_ti(data, about)
    assert (~capture.valid).nonzero().tolist() == [[1, 0, 1]]
    assert capture.samples.shape == (FRAMES, LOOPS, 2, RECEIVERS, SAMPLES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes(0), "no whole frame"),
        (bytes(range(1, 100)), "no whole frame"),
        (bytes(2 * FRAME), "nothing but zeros"),
        (bytes(range(1, 193)) * 9, "3 frames .* the JSON says 2"),
    ],
    ids=["empty", "less than a frame", "zeros", "another capture"],
)
def test_captures_without_the_frames_that_the_json_says_are_refused(tmp_path, content, message):
    data, about = written(tmp_path)
    data.write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_ti(data, about)


# --- timing ---------------------------------------------------------------------------------------


def test_the_json_says_when_chirps_begin(tmp_path):
    data, about = written(tmp_path)
    s = read_ti_json(about)
    assert (s.idle_time, s.ramp_end_time, s.chirp_period) == pytest.approx((7e-6, 40e-6, 47e-6))
    assert s.loop_period == pytest.approx(94e-6)
    assert s.frame_period == pytest.approx(50e-3)
    assert s.transmitter_order == (0, 1)
    times = read_ti(data, about).times
    assert times.shape == (FRAMES, LOOPS, 2)
    assert float(times[1, 2, 1]) == pytest.approx(50e-3 + 2 * 94e-6 + 47e-6 + 7e-6)


def test_idle_times_that_vary_move_what_comes_after(tmp_path):
    _, about = written(tmp_path, chirp1={"idleTimeVar_usec": 3.0})
    s = read_ti_json(about)
    assert s.idle_times == pytest.approx((7e-6, 10e-6))
    assert s.chirp_starts == pytest.approx((7e-6, 57e-6))
    assert s.loop_period == pytest.approx(97e-6)
    with pytest.raises(ValueError, match="idle_times differ from chirp to chirp"):
        float(s.chirp_period)
    assert read_ti_json(about, chirps=[1]).chirp_starts == pytest.approx((57e-6,))


def test_timing_that_nobody_gave_is_not_guessed():
    s = CaptureSettings(77e9, 70e12, 5e6, 8, 6e-6, (1,), 4, 2, 1, "AWR1843")
    with pytest.raises(ValueError, match="not known"):
        tuple(s.chirp_starts)


def test_chirps_of_several_transmitters_have_no_order(tmp_path):
    _, about = written(tmp_path, chirp1={"txEnable": "0x3"})
    with pytest.raises(ValueError, match="chirp 1 enables 2 transmitters"):
        tuple(read_ti_json(about).transmitter_order)
