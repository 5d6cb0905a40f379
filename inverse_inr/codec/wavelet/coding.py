"""`encode_wavelet` and `decode_wavelet`: an image of so many bytes at most, and back."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.codec.planes import from_codes, to_codes
from inverse_inr.codec.searching import first_below
from inverse_inr.codec.wavelet.files import AXES, BYTES, CHANNELS, LARGEST, from_bytes, to_bytes
from inverse_inr.codec.wavelet.model import Floats
from inverse_inr.codec.wavelet.picture import Analysed, analyse, quantise, synthesise
from inverse_inr.codec.wavelet.start import MODEL
from inverse_inr.domain import Box, Grid, pixel_grid
from inverse_inr.io.files import FileFormatError
from inverse_inr.sampled import SampledField

LENGTH = 21
"""Bits of the largest coefficients at the finest step size."""
NEAR = 128
"""Codes of step sizes in which a second search stays: a factor of two either way."""


def encode_wavelet(image: Tensor, grid: Grid, most: int) -> bytes:
    """Encode a picture, a volume, a video or a sound by coefficients of wavelets.

    The step size of the coefficients is the finest that keeps the size: it is found by bisection,
    with the bits that the entropy model gives, and at the end with the file itself.

    Args:
        image: (*shape, channels).
        grid: Where the pixels lie.
        most: Most bytes.

    Returns:
        The bytes.

    Raises:
        ValueError: The image is complex or too large, or so few bytes do not hold it.
    """
    _require_real(image)
    memory.require(
        f"encode: {image.numel()} samples by wavelets",
        BYTES * image.numel(),
        "A smaller image.",
    )
    values = image.detach().cpu().double().numpy()
    clipped = bool(values.min() >= 0 and values.max() <= 1)
    seen = analyse(values)
    place = place_of(grid)
    finest, coarsest = _range_of_steps(values, seen)

    def bits_of(code: int) -> float:
        return quantise(seen, MODEL, _step(code), clipped)[1]

    def bytes_of(code: int) -> bytes:
        return to_bytes(quantise(seen, MODEL, _step(code), clipped)[0], place)

    code = first_below(bits_of, 8.0 * most, finest, coarsest)
    data = bytes_of(code)
    # what the header and the low-pass bands take is known now
    unseen = 8 * len(data) - bits_of(code)
    near = (max(finest, code - NEAR), min(coarsest, code + NEAR))
    code = first_below(bits_of, 8.0 * most - unseen, *near)
    data = bytes_of(code)
    while len(data) > most and code < coarsest:
        # a step of this code is about 0.7 %, and so is the size
        code += max(1, round(60 * (len(data) / most - 1)))
        data = bytes_of(code)
    if len(data) > most:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes; an image of {tuple(image.shape)} takes "
            f"at least {len(data)}, header and digest counted. More bits, or a larger image."
        )
    return data


def step_for(values: Floats, most: int) -> float:
    """Find the step size at which a picture takes so many bytes, by the entropy model's bits.

    Args:
        values: (*shape, channels).
        most: Most bytes.

    Returns:
        The step size.
    """
    seen = analyse(values)
    finest, coarsest = _range_of_steps(values, seen)

    def bits_of(code: int) -> float:
        return quantise(seen, MODEL, _step(code), False)[1]

    return _step(first_below(bits_of, 8.0 * most, finest, coarsest))


def decode_wavelet(data: bytes) -> SampledField:
    """Decode a picture.

    Args:
        data: What `encode_wavelet` gave.

    Returns:
        The picture as a field, on its grid.

    Raises:
        FileFormatError: The bytes are cut or altered.
    """
    picture, place = from_bytes(data)
    values: Floats = synthesise(picture)
    grid = pixel_grid(picture.sizes)
    if place:
        try:
            told = json.loads(place)
            grid = Grid(Box(*(tuple(part) for part in told)), picture.sizes)
        except (ValueError, TypeError) as error:
            raise FileFormatError(f"codec: the box of the picture is damaged: {error}.") from None
    return SampledField(torch.from_numpy(values.astype(np.float32)), grid)


def _require_real(image: Tensor) -> None:
    if image.is_complex():
        raise ValueError("encode: method='wavelet' codes real images; this one is complex.")
    *sizes, channels = image.shape
    if len(sizes) > AXES or max(sizes) > LARGEST or channels > CHANNELS:
        raise ValueError(
            f"encode: method='wavelet' holds at most {AXES} axes of {LARGEST} samples and "
            f"{CHANNELS} channels; this image has shape {tuple(image.shape)}."
        )


def _range_of_steps(values: Floats, seen: Analysed) -> tuple[int, int]:
    """Codes of the finest and the coarsest step size that make sense for an image."""
    bands = [*seen.lows, *seen.bands.values()]
    largest = max(float(np.abs(band).max()) for band in bands if band.size)
    finest = max(largest * 2.0**-LENGTH, float(np.abs(values).max()) * 2.0**-24, 2.0**-100)
    low, high = to_codes(np.array([finest, max(4 * largest, 2 * finest)]))
    return int(low), int(high)


def _step(code: int) -> float:
    return float(from_codes(np.array([code]))[0])


def place_of(grid: Grid) -> bytes:
    """Write the box of a grid.

    Args:
        grid: The grid.

    Returns:
        The bytes; nothing where the box is that of the pixels.
    """
    if grid == pixel_grid(grid.shape):
        return b""
    box = grid.box
    return json.dumps([box.lower, box.upper, box.units], separators=(",", ":")).encode()
