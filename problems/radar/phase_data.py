"""Measured phase history made ready for a region: gates in range and across it, and its radar."""

from __future__ import annotations

import math

import torch

from inverse_inr import Box, Grid
from inverse_inr.constants import SPEED_OF_LIGHT
from inverse_inr.io import PhaseData
from inverse_inr.operators import PhaseHistory, RadarGeometry
from inverse_inr.operators.radar.frequency_steps import is_even, spacing_in_words
from inverse_inr.ranges import Count, Positive, checked


@checked
def radar_of(data: PhaseData, box: Box, grid: Grid) -> PhaseHistory:
    """The operator of measured phase history.

    Args:
        data: Antennas, frequencies and sign as a file gives them.
        box: The scene's box in metres.
        grid: The pixels or voxels of the scene.

    Returns:
        A radar with the pulses of `data`, monostatic if its antennas coincide.
    """
    receivers = None if torch.equal(data.transmitters, data.receivers) else data.receivers
    geometry = RadarGeometry(data.transmitters, receivers, data.sign, data.reference_path)
    return PhaseHistory(box, geometry, data.frequencies, points=grid)


@checked
def block_numbers(blocks: list[Count], pulses: Count) -> torch.Tensor:
    """The number of the block that each pulse is in.

    Args:
        blocks: Lengths of runs of pulses, two pulses or more each.
        pulses: Number of pulses.

    Returns:
        (pulses,) whole numbers from 0.

    Raises:
        ValueError: If the blocks hold another number of pulses, are fewer than two, or are too
            short.
    """
    if sum(blocks) != pulses or len(blocks) < 2 or min(blocks) < 2:
        raise ValueError(
            f"blocks={blocks} hold {sum(blocks)} pulses, two or more each; the data have {pulses}."
        )
    return torch.repeat_interleave(torch.arange(len(blocks)), torch.tensor(blocks))


@checked
def spotlighted(
    y: torch.Tensor, data: PhaseData, box: Box, block: torch.Tensor, margin: Positive = 3.0
) -> torch.Tensor:
    """Filter out echoes from places next to the box.

    Their phase turns faster from pulse to pulse than that of the box's corners. Each block is
    filtered by itself, with cosine edges. The filter is a Fourier transform over even pulses.

    Args:
        y: (P, K) complex phase history, K values for each of P pulses.
        data: Its antennas, referenced to the box's centre as by `gated`.
        box: The region in metres.
        block: (P,) number of each pulse's block.
        margin: Width of the edges in metres.

    Returns:
        (P, K) complex: K values for each of P pulses.

    Raises:
        ValueError: The pulses of a block do not go evenly along: one is missing.
    """
    geometry = RadarGeometry(data.transmitters, data.receivers, data.sign, data.reference_path)
    _check_pulses(geometry.transmitters, block)
    turns = (
        geometry.path(_corners(box), torch.arange(len(geometry)))
        * float(data.frequencies.mean())
        / SPEED_OF_LIGHT
    )
    out = torch.empty_like(y)
    for number in range(int(block.max()) + 1):
        rows = (block == number).nonzero()[:, 0]
        band = float(turns[rows].diff(dim=0).abs().max())  # cycles per pulse
        edge = band * margin / (0.5 * box.diagonal)
        cycles = torch.fft.fftfreq(2 * len(rows), dtype=torch.float64).abs()
        gate = _cosine(((band + edge - cycles) / edge).clamp(0, 1))
        spectrum = torch.fft.fft(y[rows], 2 * len(rows), dim=0) * gate[:, None]
        out[rows] = torch.fft.ifft(spectrum, dim=0)[: len(rows)].to(y)
    return out


def _check_pulses(transmitters: torch.Tensor, block: torch.Tensor) -> None:
    """Raise ValueError where the pulses of a block step by more than 1.5 times the usual."""
    for number in range(int(block.max()) + 1):
        rows = (block == number).nonzero()[:, 0]
        steps = torch.linalg.vector_norm(transmitters[rows].diff(dim=0), dim=1)
        if len(steps) > 1 and float(steps.max()) > 1.5 * float(steps.median()):
            raise ValueError(
                f"blocks: within block {number} the antenna moves by {float(steps.max()):.4g} m "
                f"after pulse {int(rows[int(steps.argmax())])}, by {float(steps.median()):.4g} m "
                "otherwise. A pulse is missing or dead there; begin another block after it, or "
                "leave `blocks` out."
            )


@checked
def gated(data: PhaseData, box: Box, margin: Positive = 1.0) -> tuple[torch.Tensor, PhaseData]:
    """Keep the ranges of a box, reference them to its centre, and drop frequencies.

    A pulse's delay spectrum outside the box is cut, with cosine edges, and as many frequencies are
    kept as the shorter swath needs. The cut is a Fourier transform of even frequencies: where they
    are uneven (notched), phases are referenced to the centre and nothing else is done, which
    `notes["range gate"]` says.

    Args:
        data: Measured phase history.
        box: The region in metres.
        margin: Kept around the box, and width of the edges, in metres.

    Returns:
        Phase history (P, K), complex64, and `data` with the frequencies and reference paths that
        belong to it; its own `y` is still the measured one.

    Raises:
        ValueError: A pulse holds NaN, or there are fewer than two frequencies.
    """
    _check_finite(data)
    geometry = RadarGeometry(data.transmitters, data.receivers, data.sign, data.reference_path)
    middle = torch.tensor([box.center], dtype=torch.float64)
    everything = torch.arange(len(geometry))
    centre = geometry.path(middle, everything)
    shift = centre[:, 0]  # of the box's centre against the file's reference
    turns = data.frequencies * shift[:, None] / SPEED_OF_LIGHT
    phase = -data.sign * 2 * math.pi * (turns - turns.round())
    y = data.y.to(torch.complex128) * torch.polar(torch.ones_like(phase), phase)
    local = data._replace(reference_path=data.reference_path + shift)
    if not is_even(data.frequencies):
        why = f"none: frequencies are uneven ({spacing_in_words(data.frequencies)})"
        local = local._replace(notes={**data.notes, "range gate": why})
        return y.to(torch.complex64), local
    reach = 0.5 * float((geometry.path(_corners(box), everything) - centre).abs().max())
    df = float(data.frequencies.diff().mean())
    count = len(data.frequencies)
    ranges = torch.fft.fftfreq(2 * count, dtype=torch.float64) * SPEED_OF_LIGHT / (2 * df)
    gate = _cosine(((reach + margin - ranges.abs()) / margin).clamp(0, 1))
    profile = torch.fft.ifft(y, 2 * count) * gate
    y = torch.fft.fft(profile)[:, :count]
    step = max(1, math.floor(SPEED_OF_LIGHT / (2 * df) / (2 * (reach + margin))))
    return y[:, ::step].to(torch.complex64), local._replace(frequencies=data.frequencies[::step])


def _check_finite(data: PhaseData) -> None:
    """Raise ValueError where a pulse holds NaN, or one frequency alone."""
    bad = (~torch.isfinite(data.y).all(1)).nonzero()[:, 0].tolist()
    if bad:
        raise ValueError(
            f"Phase history: {len(bad)} of {len(data.y)} pulses hold NaN or Inf, the first is "
            f"pulse {bad[0]}. `inverse_inr.io.without_dead_pulses` leaves dead pulses out."
        )
    if len(data.frequencies) < 2:
        raise ValueError(
            f"Phase history of {len(data.frequencies)} frequency has no range to gate; two or more."
        )


def _corners(box: Box) -> torch.Tensor:
    """The corners of a box: (8, 3) in metres, float64."""
    return torch.cartesian_prod(*torch.tensor([box.lower, box.upper], dtype=torch.float64).T)


def _cosine(fraction: torch.Tensor) -> torch.Tensor:
    """A smooth edge from 0 to 1, as the fraction of its width goes from 0 to 1."""
    return 0.5 - 0.5 * (math.pi * fraction).cos()
