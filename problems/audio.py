"""Sound as a field of time: a waveform from some of its samples, omega0 = 3000 for a second (Sitzmann et al. 2020).

y_i = f(t_i) + noise        t in s; full scale is [-1, 1)
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
    noise,
    predict,
)
from inverse_inr.io import read_wav, write_wav
from inverse_inr.operators import Mask, random_mask, striped_mask
from inverse_inr.solver import Ended

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def audio(
    sound: str = "chord",
    *,
    keep_one_in: int = 10,
    even: bool = True,
    seconds: float | None = 0.5,
    start: float = 0.0,
    rate: int = 22050,
    noise_level: float = 0.0,
    seed: int = 0,
) -> Problem:
    """A waveform from one sample in `keep_one_in`, evenly or at random; judged on all samples.

    sound    "chord" (simulated: three notes with overtones below 800 Hz) or a WAV file, all of its channels
    seconds  of the file from `start`; None: to its end. `rate` is of the simulation
    No fit can know what lies above half the rate of the samples kept: sub-sample what is band-limited. One layer of
    sines up to 0.8 of that, as many as samples kept (4096 at most), has no harmonics beyond, which a deeper network
    puts between the samples.
    Raises ValueError for keep_one_in < 1, a passage outside the file, silence.
    """
    if keep_one_in < 1:
        raise ValueError(f"audio: keep_one_in={keep_one_in} must be at least 1.")
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
    first = first_omega(
        grid.box.lengths[0], 0.8 * len(y) / grid.box.lengths[0] / 2
    )  # a guard band, as recorders keep
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


def first_omega(seconds: float, hertz: float) -> float:
    """The first layer's omega0 whose sines reach `hertz` on time normalised to [-1, 1]: 3000 for 955 Hz in 1 s.

    Weights are uniform in [-1, 1], so that omega0 is the largest angular frequency.
    """
    return math.pi * hertz * seconds


def _passage(sound: str, start: float, seconds: float | None, rate: int) -> tuple[Tensor, Grid]:
    if sound == "chord":
        return chord(0.5 if seconds is None else seconds, rate)
    if not Path(sound).suffix:
        raise ValueError(f"audio: unknown sound {sound!r}: 'chord', or a WAV file with its suffix.")
    values, grid = read_wav(sound)
    h = grid.spacing[0]
    first, last = round(start / h), len(values) if seconds is None else round((start + seconds) / h)
    if not 0 <= first < last <= len(values):
        raise ValueError(
            f"audio: {sound} lasts {len(values) * h:.3f} s; asked for {first * h:.3f} to {last * h:.3f} s."
        )
    values = values[first:last]
    if not values.any():
        raise ValueError(f"audio: {sound} is silent from {first * h:.3f} to {last * h:.3f} s.")
    return values, Grid(Box((0.0,), (len(values) * h,), ("s",)), (len(values),))


def chord(seconds: float, rate: int) -> tuple[Tensor, Grid]:
    """Three notes, each with two overtones and its own decay; nothing above 800 Hz: (samples, 1)."""
    count = round(seconds * rate)
    grid = Grid(Box((0.0,), (count / rate,), ("s",)), (count,))
    t = grid.points(torch.float64)[:, 0]
    wave = torch.zeros_like(t)
    for k, note in enumerate((196.0, 246.9, 261.6)):
        for overtone in (1, 2, 3):
            decay = torch.exp(-(1.0 + k) * t) / overtone
            wave += decay * torch.sin(2 * math.pi * note * overtone * t + k + overtone)
    return (0.9 * wave / wave.abs().max()).float()[:, None], grid


def cubic_spline(problem: Problem) -> Solution:
    """The cubic spline through the samples kept (scipy's not-a-knot)."""
    from scipy.interpolate import CubicSpline

    began = time.perf_counter()
    operator = problem.terms[0].operator
    assert isinstance(operator, Mask)
    y = problem.terms[0].y.reshape(len(operator), -1).double().numpy()
    spline = CubicSpline(operator.pixels.numpy(), y)
    values: np.ndarray = spline(np.arange(problem.grid.shape[0]))
    field = SampledField(torch.from_numpy(values).float(), problem.grid)
    return Solution(
        field,
        problem,
        "cubic spline",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "through all samples"),
    )


def waveforms(problem: Problem, solutions: Sequence[Solution]) -> Figure:
    """The first 20 ms of the truth and of each method, the samples kept as dots; below, spectra in dB."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    above, below = figure.subplots(2, 1)
    operator, h = problem.terms[0].operator, problem.grid.spacing[0]
    assert isinstance(operator, Mask)
    truth = (
        [] if problem.reference is None else [("truth", problem.reference(problem.grid.points()))]
    )
    shown = min(problem.grid.shape[0], round(0.02 / h))
    for name, wave in truth + [(s.method, s.sample(problem.grid)) for s in solutions]:
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
    """`Suggestion.write`: sound.wav, 16-bit, at the rate of the grid."""
    write_wav(folder / "sound.wav", solution.sample(), solution.problem.grid)
    return [folder / "sound.wav"]
