"""Sound: WAV files in and out, and a band-limited signal from one sample in ten."""

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from inverse_inr import Box, Grid, solve
from inverse_inr.io import FileFormatError, read_wav, write_wav
from inverse_inr.problems.audio import audio, first_omega
from inverse_inr.stopping import hold_out


def band_limited(count, rate, top, seed=0):
    """Sines of random frequency and phase below `top` Hz, (count, 1), at the samples' centres."""
    generator = np.random.default_rng(seed)
    t = (np.arange(count) + 0.5) / rate
    waves = [
        np.sin(2 * np.pi * f * t + p) for f, p in generator.uniform([60, 0], [top, 6.28], (12, 2))
    ]
    wave = np.sum(waves, 0)
    return torch.from_numpy(0.9 * wave / np.abs(wave).max()).float()[:, None]


def sound_grid(count, rate):
    return Grid(Box((0.0,), (count / rate,), ("s",)), (count,))


def test_wav_keeps_16_bit_samples_rate_and_channels(tmp_path):
    values = torch.cat([band_limited(300, 8000, 900), band_limited(300, 8000, 900, seed=1)], 1)
    write_wav(tmp_path / "a.wav", values, sound_grid(300, 8000))
    again, grid = read_wav(tmp_path / "a.wav")
    assert grid.box.units == ("s",)
    assert grid.spacing[0] == pytest.approx(1 / 8000)
    assert float((again - values).abs().max()) <= 0.5 / 2**15 + 1e-7


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0, 128, 255], np.uint8), [-1, 0, 127 / 128]),
        (np.array([-(2**31), 0, 2**30], np.int32), [-1, 0, 0.5]),
        (np.array([-0.25, 0.5], np.float32), [-0.25, 0.5]),
    ],
)
def test_wav_full_scale_is_one(tmp_path, samples, expected):
    wavfile.write(tmp_path / "a.wav", 8000, samples)
    assert torch.allclose(
        read_wav(tmp_path / "a.wav")[0][:, 0], torch.tensor(expected, dtype=torch.float32)
    )


def test_a_text_is_no_wav(tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(FileFormatError, match=r"text\.wav"):
        read_wav(tmp_path / "text.wav")


@pytest.mark.parametrize(
    ("values", "grid", "match"),
    [
        (band_limited(30, 8000, 900), sound_grid(30, 8000.4), "whole number"),
        (torch.zeros(30, 1, 1), Grid(Box((0.0, 0.0), (1.0, 1.0)), (30, 1)), "one axis"),
        (torch.full((30, 1), torch.nan), sound_grid(30, 8000), "NaN"),
    ],
    ids=["rate", "axes", "NaN"],
)
def test_a_wav_that_cannot_be_is_not_written(tmp_path, values, grid, match):
    with pytest.raises(ValueError, match=match):
        write_wav(tmp_path / "a.wav", values, grid)
    assert not (tmp_path / "a.wav").exists()


def test_omega_of_the_first_layer():
    # on [-1, 1], sin(omega0 t) has omega0 / π periods a box, and omega0 / (π seconds) Hz
    assert first_omega(1.0, 3000 / torch.pi) == pytest.approx(3000)


# samples at random surely tell half as high a frequency
@pytest.mark.parametrize(("even", "band", "least"), [(True, 0.7, 35), (False, 0.35, 15)])
def test_one_sample_in_ten_of_a_file(tmp_path, even, band, least):
    """Every tenth sample recovers a band that ends at 0.7 of what these samples can tell."""
    rate, count = 16000, 4000
    top = band * rate / 10 / 2
    write_wav(tmp_path / "in.wav", band_limited(count, rate, top), sound_grid(count, rate))
    problem = audio(str(tmp_path / "in.wav"), keep_one_in=10, even=even, seconds=None)
    assert len(problem.terms[0].y) == 400
    solution = solve(problem, optimizer="lbfgs", callbacks=[])
    assert solution.metrics()["PSNR"] > least
    assert problem.suggested.write is not None
    [path] = problem.suggested.write(solution, tmp_path)
    assert float((read_wav(path)[0] - solution.sample()).abs().max()) < 1e-3


def test_audio_figure_and_baseline():
    problem = audio(seconds=0.1)
    spline = problem.suggested.baselines["cubic spline"](problem)
    assert spline.metrics()["PSNR"] > 32
    assert torch.equal(
        spline.watched[0], hold_out(problem.suggested.stopping, problem.terms).watch[0]
    )
    assert problem.suggested.figure is not None
    assert problem.suggested.figure(problem, [spline]) is not None


@pytest.mark.parametrize(
    ("sound", "options", "match"),
    [
        ("chord", {"keep_one_in": 0}, "keep_one_in=0"),
        ("hum", {}, "unknown sound"),
        ("silent.wav", {"seconds": 0.05}, "silent"),
        ("silent.wav", {"seconds": 5.0}, "lasts 0.100 s"),
    ],
)
def test_audio_refuses_a_passage_that_is_not_there(tmp_path, monkeypatch, sound, options, match):
    monkeypatch.chdir(tmp_path)
    write_wav("silent.wav", torch.zeros(800, 1), sound_grid(800, 8000))
    with pytest.raises(ValueError, match=match):
        audio(sound, **options)


def test_a_passage_with_nan_names_the_file_and_the_seconds(tmp_path):
    from scipy.io import wavfile

    wave = np.sin(np.arange(800) / 9).astype(np.float32)
    wave[600:] = np.nan
    wavfile.write(tmp_path / "a.wav", 8000, wave)
    with pytest.raises(ValueError, match=r"a\.wav holds 200 NaN .* 0\.000 and 0\.100 s"):
        audio(str(tmp_path / "a.wav"), seconds=None)
    assert len(audio(str(tmp_path / "a.wav"), seconds=0.07).terms[0].y) == 56
