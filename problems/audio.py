"""Sound as a field of time: a waveform from some of its samples.

    y_i = f(t_i) + noise        t in s; full scale is [-1, 1)

(Sitzmann et al. 2020, with omega0 = 3000 for a second.)
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from inverse_inr import (
    Box,
    Grid,
    Problem,
    SampledField,
    Solution,
    Suggestion,
    Term,
    fidelity,
    memory,
    noise,
    predict,
)
from inverse_inr.io import read_wav, write_wav
from inverse_inr.operators import Mask, random_mask, striped_mask
from inverse_inr.ranges import Count, NoiseLevelOrNone, NonNegative, Positive, WholeNumber, checked
from inverse_inr.solver import Ended
from inverse_inr.stopping import hold_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@checked
def audio(
    sound: str = "chord",
    *,
    keep_one_in: Count = 10,
    even: bool = True,
    seconds: Positive | None = 0.5,
    start: NonNegative = 0.0,
    rate: Count = 22050,
    noise_level: NoiseLevelOrNone = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Recover a waveform from some of its samples; it is judged on all samples.

    No fit can know frequencies above half the rate of the samples kept, so the sound should be
    band-limited. One layer of sines up to 0.8 of that frequency, as many as samples kept (4096 at
    most), is suggested. It has no overtones beyond, which a deeper network puts between the
    samples.

    Args:
        sound: "chord" (simulated: three notes with overtones below 800 Hz), or a WAV file with all
            of its channels.
        keep_one_in: One sample in so many is kept.
        even: Keep samples evenly rather than at random.
        seconds: Length of the passage in s; None: to the end of the file.
        start: Beginning of the passage in the file in s.
        rate: Samples per second of the simulated sound.
        noise_level: Standard deviation of Gaussian noise, as a fraction of full scale.
        seed: Seed of the random samples and the noise.

    Returns:
        The problem, with the passage as its reference.

    Raises:
        ValueError: `keep_one_in` is below 1, the sound is unknown or silent, or the passage lies
            outside the file.
    """
    values, grid = _passage(sound, start, seconds, rate)
    if even:
        operator: Mask = striped_mask(grid, keep_one_in)
    else:
        operator = random_mask(grid, 1 / keep_one_in, seed=seed)
    truth = SampledField(values, grid)
    y = predict(operator, truth)
    model: fidelity.Fidelity = fidelity.L2()
    if noise_level:
        model = noise.Gaussian(noise_level)
        y = model.sample(y, torch.Generator().manual_seed(seed))
    seconds_heard = grid.box.lengths[0]
    # 0.8 of half the rate leaves a guard band, as recorders keep
    first = first_omega(seconds_heard, 0.8 * len(y) / seconds_heard / 2)
    suggested = Suggestion(
        prior="siren",
        options={"first_omega0": first, "width": max(128, min(4096, len(y))), "depth": 1},
        steps=80,
        optimizer="lbfgs",
        baselines={"cubic spline": cubic_spline},
        figure=waveforms,
        write=write_sound,
    )
    return Problem(
        [Term(operator, y, model)],
        grid.box,
        grid,
        values.shape[-1],
        reference=truth,
        average=1,
        suggested=suggested,
    )


@checked
def first_omega(seconds: Positive, hertz: Positive) -> float:
    """The omega0 of a first layer whose sines reach a frequency, on time normalised to [-1, 1].

    Weights are uniform in [-1, 1], so that omega0 is the largest angular frequency: 3000 for 955 Hz
    in 1 s.

    Args:
        seconds: Length of the sound in s.
        hertz: The largest frequency in Hz.

    Returns:
        omega0 in rad per half length of the sound.
    """
    return math.pi * hertz * seconds


def _passage(sound: str, start: float, seconds: float | None, rate: int) -> tuple[Tensor, Grid]:
    """The passage of a file, or the chord: values (samples, channels) and their grid in s."""
    if sound == "chord":
        if seconds is None:
            seconds = 0.5
        return chord(seconds, rate)
    if not Path(sound).suffix:
        raise ValueError(f"audio: unknown sound {sound!r}: 'chord', or a WAV file with its suffix.")
    values, grid = read_wav(sound)
    h = grid.spacing[0]
    first = round(start / h)
    last = len(values)
    if seconds is not None:
        last = round((start + seconds) / h)
    if not 0 <= first < last <= len(values):
        raise ValueError(
            f"audio: {sound} lasts {len(values) * h:.3f} s; "
            f"asked for {first * h:.3f} to {last * h:.3f} s."
        )
    values = values[first:last]
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise ValueError(
            f"audio: {sound} holds {bad} NaN or Inf between {first * h:.3f} and {last * h:.3f} s. "
            "Choose a passage without them: start=, seconds=."
        )
    if not values.any():
        raise ValueError(f"audio: {sound} is silent from {first * h:.3f} to {last * h:.3f} s.")
    return values, Grid(Box((0.0,), (len(values) * h,), ("s",)), (len(values),))


@checked
def chord(seconds: Positive, rate: Count) -> tuple[Tensor, Grid]:
    """Three notes, each with two overtones and its own decay, and nothing above 800 Hz.

    Args:
        seconds: Length in s.
        rate: Samples per second.

    Returns:
        Values (samples, 1) up to 0.9 of full scale, and their grid in s.
    """
    needed = 64 * seconds * rate
    memory.require(f"audio: a sound of seconds={seconds:g} at rate={rate}", needed)
    count = round(seconds * rate)
    if count < 2:
        raise ValueError(f"audio: seconds={seconds:g} at rate={rate} are {count} samples.")
    grid = Grid(Box((0.0,), (count / rate,), ("s",)), (count,))
    t = grid.points(torch.float64)[:, 0]
    wave = torch.zeros_like(t)
    for k, note in enumerate((196.0, 246.9, 261.6)):
        for overtone in (1, 2, 3):
            decay = torch.exp(-(1.0 + k) * t) / overtone
            wave += decay * torch.sin(2 * math.pi * note * overtone * t + k + overtone)
    return (0.9 * wave / wave.abs().max()).float()[:, None], grid


def cubic_spline(problem: Problem) -> Solution:
    """The cubic spline through the samples kept (scipy's not-a-knot).

    Samples that the problem's rule holds out are left out.

    Args:
        problem: A problem of `audio`.

    Returns:
        The waveform on all samples.
    """
    from scipy.interpolate import CubicSpline

    began = time.perf_counter()
    [term] = problem.terms
    operator = term.operator
    assert isinstance(operator, Mask)
    (fit,), watch, note = hold_out(problem.suggested.stopping, problem.terms)
    order = fit[operator.pixels[fit].argsort()]
    y = term.y.reshape(len(operator), -1)[order].double().numpy()
    spline = CubicSpline(operator.pixels[order].numpy(), y)
    values: np.ndarray = spline(np.arange(problem.grid.shape[0]))
    field = SampledField(torch.from_numpy(values).float(), problem.grid)
    return Solution(
        field,
        problem,
        "cubic spline",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "through all samples"),
        watched=watch,
        details=dict(note),
    )


def waveforms(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """Draw the first 20 ms of the truth and of each method, with dots for the samples kept.

    Args:
        problem: A problem of `audio`.
        solutions: Its solutions.

    Returns:
        The figure, with power against frequency in dB below.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1)
    operator = problem.terms[0].operator
    h = problem.grid.spacing[0]
    assert isinstance(operator, Mask)
    waves = [(s.method, s.sample(problem.grid)) for s in solutions]
    if problem.reference is not None:
        waves.insert(0, ("truth", problem.reference(problem.grid.points())))
    shown = min(problem.grid.shape[0], round(0.02 / h))
    for name, wave in waves:
        t = (np.arange(shown) + 0.5) * h * 1e3
        above.plot(t, wave[:shown, 0].numpy(), label=name, lw=1)
        power = torch.fft.rfft(wave[:, 0] * torch.hann_window(len(wave))).abs().clamp(min=1e-4)
        below.plot(np.fft.rfftfreq(len(wave), h), 20 * power.log10().numpy(), label=name, lw=1)
    kept = operator.pixels[operator.pixels < shown]
    above.plot(
        (kept.numpy() + 0.5) * h * 1e3,
        problem.terms[0].y.reshape(len(operator), -1)[: len(kept), 0],
        "k.",
    )
    above.set_xlabel("ms")
    above.legend(fontsize="small")
    below.set_xlabel("Hz")
    below.set_ylabel("dB")
    below.set_xlim(0, 4 * len(operator) / problem.box.lengths[0] / 2)
    return figure


def write_sound(solution: Solution, folder: Path) -> list[Path]:
    """Write the sound as a 16-bit WAV file at the rate of the grid: its `Suggestion.write`.

    Args:
        solution: A solution of a problem of `audio`.
        folder: The folder, which exists.

    Returns:
        sound.wav.
    """
    write_wav(folder / "sound.wav", solution.sample(), solution.problem.grid)
    return [folder / "sound.wav"]
