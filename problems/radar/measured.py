"""Measured phase history: a region of the GOTCHA parking lot, or of any file in radar layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from inverse_inr import Box, Grid, Problem
from inverse_inr.io import PhaseData, read_gotcha, read_radar, without_dead_pulses
from inverse_inr.io.files import PathLike
from inverse_inr.operators.radar.kinds import Decibels
from inverse_inr.operators.radar.phase_sign import check_sign
from inverse_inr.problems.radar.phase_data import block_numbers, gated, radar_of, spotlighted
from inverse_inr.problems.radar.sar import complex_problem, voxels
from inverse_inr.ranges import Count, Finite, NonNegative, Positive, checked
from inverse_inr.stopping import HeldOut


@checked
def gotcha(
    paths: Sequence[PathLike] | PathLike,
    *,
    center: tuple[Finite, Finite] = (0.0, 0.0),
    size: tuple[Positive, Positive] = (20.0, 20.0),
    pitch: Positive = 0.15,
    height: Finite = 0.0,
    every: Count = 1,
    weight: NonNegative = 10.0,
    snr: Decibels = 10.0,
    blocks: list[Count] | None = None,
) -> Problem:
    """A region of the GOTCHA parking lot (AFRL) on a horizontal plane.

    Phases are re-referenced to the region's centre and echoes from outside it are filtered out in
    range, so that the region's own phase history is left. Every tenth pulse is held out. With
    `blocks`, echoes from places next to the region are filtered out too, in each block by itself,
    and the second block is held out instead; `notes["block"]` numbers the pulses' blocks.
    Neighbouring pulses see nearly the same: whole blocks are the harder test.

    Args:
        paths: The .mat files in the order of azimuth.
        center: Centre (x, y) of the region in metres.
        size: Lengths (x, y) of the region in metres.
        pitch: Side of a pixel in metres.
        height: Height of the plane in metres.
        every: Use every n-th pulse.
        weight: Weight of the L1 norm, in units of the noise.
        snr: Assumed signal-to-noise ratio in dB, to weigh the data against L1.
        blocks: Lengths of runs of pulses; None holds out single pulses.

    Returns:
        The problem of a complex reflectivity.

    Raises:
        ValueError: If the data are out of focus, or the blocks do not fit them.
    """
    return measured(read_gotcha(paths), center, size, pitch, height, every, weight, snr, blocks)


@checked
def phase_history(
    path: PathLike,
    *,
    center: tuple[Finite, Finite] = (0.0, 0.0),
    size: tuple[Positive, Positive] = (20.0, 20.0),
    pitch: Positive = 0.15,
    height: Finite = 0.0,
    every: Count = 1,
    weight: NonNegative = 10.0,
    snr: Decibels = 10.0,
) -> Problem:
    """A region of phase history in the HDF5 layout of `write_radar`, as in `gotcha`.

    Args:
        path: The HDF5 file.
        center: Centre (x, y) of the region in metres.
        size: Lengths (x, y) of the region in metres.
        pitch: Side of a pixel in metres.
        height: Height of the plane in metres.
        every: Use every n-th pulse.
        weight: Weight of the L1 norm, in units of the noise.
        snr: Assumed signal-to-noise ratio in dB, to weigh the data against L1.

    Returns:
        The problem of a complex reflectivity; every tenth pulse is held out.

    Raises:
        ValueError: If the data are out of focus.
    """
    return measured(read_radar(path), center, size, pitch, height, every, weight, snr)


@checked
def measured(
    data: PhaseData,
    center: tuple[Finite, Finite],
    size: tuple[Positive, Positive],
    pitch: Positive,
    height: Finite,
    every: Count,
    weight: NonNegative,
    snr: Decibels,
    blocks: list[Count] | None = None,
) -> Problem:
    """The problem of a region of measured phase history.

    Dead pulses (NaN, nothing but zeros) and frequencies that are missing from all pulses are left
    out, and counted in `notes`.

    Args:
        data: As a file gives it.
        center: As in `gotcha`.
        size: As in `gotcha`.
        pitch: As in `gotcha`.
        height: As in `gotcha`.
        every: As in `gotcha`.
        weight: As in `gotcha`.
        snr: As in `gotcha`.
        blocks: As in `gotcha`.

    Returns:
        The problem of a complex reflectivity.

    Raises:
        ValueError: If the sign is wrong (the data are out of focus), no pulse is left, or the
            blocks do not fit.
    """
    data = without_dead_pulses(data)
    half = [0.5 * n for n in size]
    box = Box(
        (center[0] - half[0], center[1] - half[1], height - 0.5 * pitch),
        (center[0] + half[0], center[1] + half[1], height + 0.5 * pitch),
        ("m",) * 3,
    )
    grid = Grid(box, (*voxels(size, pitch), 1))
    whole = radar_of(data, box, grid)
    sharper = check_sign(whole, data.y)
    y, local = gated(data, box)
    rows = torch.arange(0, len(y), every)
    held = torch.arange(len(rows)) % 10 == 5
    notes = dict(local.notes)
    notes["phase sign"] = "not checked: the aperture is too narrow to tell"
    if sharper is not None:
        notes["phase sign"] = f"checked: {sharper:.2f} times as sharp as under the opposite one"
    if blocks is not None:
        block = block_numbers(blocks, len(y))
        y = spotlighted(y, local, box, block)
        held = block[rows] == 1
        notes["block"] = block[rows]
    operator = radar_of(local, box, grid).pulses(rows)
    y = y[rows]
    sigma = 10 ** (-snr / 20) * float(y.abs().square().mean().sqrt())
    problem = complex_problem(
        operator,
        grid,
        y,
        sigma,
        weight=weight,
        hold_out=HeldOut(rows=[held.nonzero()[:, 0]]),
        # clutter and the edges of the gates are noise to a variance field, which would have to be
        # told how loud they are
        candidates=None,
    )
    return replace(problem, notes=problem.notes | notes)
