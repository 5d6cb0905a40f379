"""A simulated FMCW array, level before a room, whose channels nobody has calibrated."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from inverse_inr import Box, Grid, Problem, Solution, noise
from inverse_inr.operators import FMCW, ChannelErrors, Chirp, RadarGeometry, VirtualArray
from inverse_inr.operators.radar.kinds import Decibels, Hertz
from inverse_inr.operators.radar.operator import RadarOperator
from inverse_inr.problems.radar.calibration.classical import (
    channels_of,
    imaged,
    reflector_calibration,
)
from inverse_inr.problems.radar.calibration.errors import Model, channel_errors
from inverse_inr.problems.radar.calibration.learning import Start, calibrated, with_channels_kept
from inverse_inr.problems.radar.calibration.targets import DEPTH, REFLECTOR, WIDTH, Scene, targets
from inverse_inr.problems.radar.fmcw import chirp_of, echoes, require_echoes
from inverse_inr.problems.radar.sar import complex_problem, voxels
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, WholeNumber, checked

SIDE = 0.5
"""Spacing of the virtual channels in wavelengths at the middle of the band."""


@checked
@dataclass(frozen=True)
class Line:
    """An array of evenly spaced virtual channels along y, and its ramp.

    Receivers stand half a wavelength apart, transmitters as far as the receivers reach.

    Args:
        transmitters: Number of transmitters.
        receivers: Number of receivers.
        start_frequency: Lowest frequency of the ramp in Hz.
        bandwidth: In Hz.
        samples: Number of samples per ramp.
    """

    transmitters: Count = 6
    receivers: Count = 8
    start_frequency: Hertz = 77e9
    bandwidth: Positive = 2e9
    samples: Count = 64

    @property
    def chirp(self) -> Chirp:
        """The ramp."""
        return chirp_of(self.start_frequency, self.bandwidth, self.samples)

    @checked
    def geometry(self, shift: Finite = 0.0) -> RadarGeometry:
        """The antennas, about the origin.

        Args:
            shift: How far the array has moved along y, in metres.

        Returns:
            A geometry of a pulse per virtual channel, receiver fastest.
        """
        step = SIDE * self.chirp.wavelength
        sent = _evenly(self.transmitters, step * self.receivers)
        received = _evenly(self.receivers, step)
        move = torch.tensor([0.0, shift, 0.0], dtype=torch.float64)
        return RadarGeometry.mimo(sent + move, received + move)


@checked
@dataclass(frozen=True)
class Faults:
    """Errors of the channels: the largest either way, drawn uniformly and independently.

    Args:
        per: "channels" for errors of each virtual channel, "antennas" for those of each
            transmitter and of each receiver, half as large each (phases are as large).
        gain: In dB.
        phase: In rad at the middle of the band.
        delay: In range bins 1 / B, of which a delay of one shifts echoes by a bin.
    """

    per: Model = "channels"
    gain: NonNegative = 3.0
    phase: NonNegative = math.pi
    delay: NonNegative = 0.3


@checked
def fmcw_calibration(
    scene: Scene = "room",
    *,
    array: Line = Line(),
    faults: Faults = Faults(),
    model: Model | None = None,
    start: Start | Literal["reflector"] = "sparse calibration",
    learn: bool = False,
    snr: Decibels = 20.0,
    pitch: tuple[Positive, Positive] = (0.04, 0.02),
    weight: NonNegative = 60.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Image a room with an FMCW array whose channels have unknown gains, phases and delays.

    The array is a line at the origin that looks along x, and the scene lies in its plane, on no
    lattice. The samples of the beat signal are measured, not their spectrum. A second capture shows
    a corner reflector alone at a known place, with the same energy and noise: classical calibration
    has that, blind methods do not look at it.

    Args:
        scene: "room", "points" or "reflector", as in `targets`.
        array: The antennas and the ramp.
        faults: What is wrong with the channels.
        model: What is learnt, a number per channel or per antenna; None for what is true.
        start: A blind estimate of the channels, or what the reflector tells.
        learn: Learn the channels with the scene from there on. What sparse calibration or a
            reflector tells is as near to the truth or nearer, above all at low SNR.
        snr: Mean |y|² over mean |n|² in dB, of circular complex noise, for each sample.
        pitch: Sides of a pixel along range and across, in metres. Across, half of the resolution is
            too coarse: two pixels for a point between them look like an array with weak ends.
        weight: Weight of the L1 norm, in units of the noise.
        seed: Seed of the scene, the errors and the noise.

    Returns:
        The problem. `notes` hold the true gains, phases and delays of the virtual channels, and the
        reflector's echoes (P, K) and place.

    Raises:
        ValueError: The samples are too few to tell the scene's ranges apart.
    """
    count = array.transmitters * array.receivers
    require_echoes("fmcw_calibration", 2 * count, array.samples)
    grid = _pixels(pitch)
    radar = FMCW(grid.box, array.geometry(), array.chirp, points=grid, readout="samples")
    true = _wrong(radar, array, faults, seed)
    generator = torch.Generator().manual_seed(seed)
    y, sigma = measured(true, scene, snr, generator, seed)
    alone, _ = measured(true, "reflector", snr, generator)
    problem = complex_problem(radar, grid, y.to(torch.complex64), sigma, weight=weight)
    per = faults.per if model is None else model
    known = VirtualArray(array.transmitters, array.receivers, per == "antennas")
    delays = faults.delay > 0
    if start == "reflector":
        begun = ChannelErrors(radar, known, delays=torch.zeros(known.elements) if delays else None)
        begun = reflector_calibration(begun, alone, torch.tensor(REFLECTOR, dtype=torch.float64))
        made = calibrated(problem, known, begun, delays=delays)
    else:
        made = calibrated(problem, known, start, delays=delays)
    notes = made.notes | {
        # of virtual channels, whatever is learnt
        "true gains": true.array.joined(true.gains.log()).exp(),
        "true phases": true.array.joined(true.phases),
        "true delays": None if true.delays is None else true.array.joined(true.delays),
        "reflector echoes": alone,
        "reflector place": torch.tensor(REFLECTOR, dtype=torch.float64),
    }
    baselines = made.suggested.baselines | {"reflector": with_reflector}
    made = replace(made, notes=notes, suggested=replace(made.suggested, baselines=baselines))
    return made if learn else with_channels_kept(made)


@checked
def with_reflector(problem: Problem) -> Solution:
    """A sparse scene through the channels that the corner reflector told in closed form.

    Args:
        problem: A problem of `fmcw_calibration`.

    Returns:
        The scene, with a problem whose operator has these channels.

    Raises:
        KeyError: The problem was not simulated: there is no capture of a reflector.
    """
    echoes_alone, place = (problem.notes[f"reflector {what}"] for what in ("echoes", "place"))
    errors = reflector_calibration(
        channels_of(problem, "with_reflector"), echoes_alone, place.to(torch.float64)
    )
    return imaged(problem, errors, "reflector")


def true_channels(problem: Problem) -> ChannelErrors:
    """The true channels of a simulated problem.

    Args:
        problem: A problem of `fmcw_calibration`.

    Returns:
        Its radar with the true gains, phases and delays of the virtual channels, not learnt.

    Raises:
        KeyError: The problem was not simulated.
    """
    errors = channels_of(problem, "true_channels")
    gains, phases, delays = (problem.notes[f"true {w}"] for w in ("gains", "phases", "delays"))
    return ChannelErrors(errors.radar, None, gains, phases, delays, learnt=False)


def measured(
    true: ChannelErrors, scene: Scene, snr: float, generator: torch.Generator, seed: int = 0
) -> tuple[Tensor, float]:
    """Echoes of a scene through channels, with noise.

    Args:
        true: The radar with its channels.
        scene: As in `targets`.
        snr: Mean |y|² over mean |n|² in dB.
        generator: Draws the noise.
        seed: Seed of the scene.

    Returns:
        (P, K) complex128 of mean square 1 before the noise, and the noise's standard deviation.
    """
    assert isinstance(true.radar, RadarOperator)
    places, amplitudes = targets(scene, seed)
    with torch.no_grad():
        clean = echoes(true.radar, places, amplitudes) * true.factors(torch.arange(len(true)))
    clean = clean / clean.abs().square().mean().sqrt()
    sigma = 10 ** (-snr / 20)
    return noise.ComplexGaussian(sigma).sample(clean, generator), sigma


def _pixels(pitch: tuple[float, float]) -> Grid:
    """The plane of the scene in pixels, one of them high."""
    half = 0.5 * min(pitch)
    plane = Box((DEPTH[0], WIDTH[0], -half), (DEPTH[1], WIDTH[1], half), ("m",) * 3)
    deep = voxels((DEPTH[1] - DEPTH[0],), pitch[0])
    return Grid(plane, (*deep, *voxels((WIDTH[1] - WIDTH[0],), pitch[1]), 1))


def _wrong(radar: FMCW, array: Line, faults: Faults, seed: int) -> ChannelErrors:
    """The radar with drawn errors."""
    separable = faults.per == "antennas"
    share = 0.5 if separable else 1.0
    return channel_errors(
        radar,
        VirtualArray(array.transmitters, array.receivers, separable),
        gain=share * faults.gain,
        phase=faults.phase,
        delay=share * faults.delay / array.bandwidth,
        seed=seed,
    )


def _evenly(count: int, step: float) -> Tensor:
    """Places (count, 3) along y about the origin, in metres."""
    y = step * (torch.arange(count, dtype=torch.float64) - 0.5 * (count - 1))
    return torch.stack([torch.zeros_like(y), y, torch.zeros_like(y)], 1)
