"""`encode_latents` and `decode_latents`: a picture fitted in so many bytes at most, and back."""

from __future__ import annotations

import json
import math

import numpy as np
import torch
from torch import Tensor

from inverse_inr import memory
from inverse_inr.codec.latent.files import (
    LARGEST,
    MOST_PLANES,
    Overfitted,
    from_bytes,
    synthesise,
    to_bytes,
)
from inverse_inr.codec.latent.fitting import Fit
from inverse_inr.codec.latent.start import START
from inverse_inr.codec.planes import Colours, Floats, colours_of, planes_of, short
from inverse_inr.codec.showing import shown_steps
from inverse_inr.codec.wavelet.coding import place_of, step_for
from inverse_inr.domain import Box, Grid, pixel_grid
from inverse_inr.io.files import FileFormatError
from inverse_inr.sampled import SampledField

HEADER = 32
"""Bytes of a header and a digest of a colour picture."""
FULL = 0.995
"""Part of the bytes that the fit aims at, and from which on a file is long enough."""
FAR = 1.1
"""How many times too long a file is, from which on its step is made coarser."""
ROUNDS = 10
"""How often the file is made again, until it fits."""
FURTHER = 5
"""Steps between two files."""
PART = 0.12
"""Part of the exchanges that are made at once between two files."""
TRIALS = 3
"""How often the step is changed before the fit."""
MORE = 1.06
"""What latents take when they are tried, in the bits that they take when they are fitted."""
MEMORY = 2000
"""Bytes per sample while a picture is fitted."""


def encode_latents(image: Tensor, grid: Grid, most: int, steps: int, seed: int) -> bytes:
    """Encode a picture by wavelet lattices and two small networks that are fitted to it.

    Args:
        image: (rows, columns, channels).
        grid: Where the pixels lie.
        most: Most bytes.
        steps: Steps of the fit. The first Ctrl-C ends it early.
        seed: Seed of the choice of exchanges in the fit.

    Returns:
        The bytes.

    Raises:
        ValueError: The image is no picture, or so few bytes do not hold it.
    """
    _require_picture(image)
    if most < HEADER:
        raise ValueError(
            f"encode: bits_per_sample allows {most} bytes; method='latent' takes {HEADER} for its "
            "header and digest alone. More bits, or a larger image."
        )
    memory.require(
        f"encode: {image.numel()} samples by latents", MEMORY * image.numel(), "A smaller image."
    )
    values = image.detach().cpu().double().numpy()
    clipped = bool(values.min() >= 0 and values.max() <= 1)
    colours = colours_of(values)
    fit = Fit(planes_of(values, colours), START, _short(step_for(values, most)), seed)
    wanted = max(8 * (FULL * most - HEADER), 1.0)
    _find_step(fit, wanted)
    for number in shown_steps(steps, "encode"):
        fit.step_once(number / steps, wanted, steps)
    return _fitting(fit, values, colours, clipped, place_of(grid), most)


def _find_step(fit: Fit, wanted: float) -> None:
    """Take the step at which a fit of so many bits begins, where it is not that of wavelets."""
    for _ in range(TRIALS):
        ratio = max(fit.tried(), 1.0) / (MORE * wanted)
        if abs(math.log(ratio)) < 0.02:
            return
        fit.begin(_short(fit.step * min(max(ratio, 0.5), 2.0) ** 0.8))


def _short(step: float) -> float:
    return float(short(np.array([step]))[0])


def _fitting(
    fit: Fit,
    values: Floats,
    colours: Colours,
    clipped: bool,
    place: bytes,
    most: int,
) -> bytes:
    """The best file of at most `most` bytes."""
    best, least, shortest = b"", math.inf, math.inf
    for _ in range(ROUNDS):
        shape = (values.shape[0], values.shape[1])
        picture = Overfitted(shape, colours, fit.step, *fit.rounded(), clipped)
        data = to_bytes(picture, place)
        shortest = min(shortest, len(data))
        if len(data) <= most:
            error = float(((synthesise(picture) - values) ** 2).mean())
            no_better = error >= least
            if error < least:
                best, least = data, error
            if len(data) >= FULL * most or no_better:
                break
        ratio = len(data) / (0.5 * (1 + FULL) * most)
        if ratio > FAR:
            fit.begin(_short(fit.step * min(ratio, 2.0)))
        else:
            fit.follow(3 * math.log(ratio))
        for _ in range(FURTHER):
            fit.settle(part=PART)
    if best:
        return best
    raise ValueError(
        f"encode: bits_per_sample allows {most} bytes; an image of {values.shape} takes at least "
        f"{shortest} by method='latent', header and digest counted. More bits, a larger image, or "
        "method='wavelet'."
    )


def decode_latents(data: bytes) -> SampledField:
    """Decode a picture.

    Args:
        data: What `encode_latents` gave.

    Returns:
        The picture as a field, on its grid.

    Raises:
        FileFormatError: The bytes are cut or altered.
    """
    picture, place = from_bytes(data)
    values = synthesise(picture)
    grid = pixel_grid(picture.shape)
    if place:
        try:
            told = json.loads(place)
            grid = Grid(Box(*(tuple(part) for part in told)), picture.shape)
        except (ValueError, TypeError) as error:
            raise FileFormatError(f"codec: the box of the picture is damaged: {error}.") from None
    return SampledField(torch.from_numpy(values.astype(np.float32)), grid)


def _require_picture(image: Tensor) -> None:
    if image.is_complex():
        raise ValueError("encode: method='latent' codes real images; this one is complex.")
    if image.ndim != 3 or not image.numel() or image.shape[-1] > MOST_PLANES:
        raise ValueError(
            f"encode: method='latent' codes pictures (rows, columns, 1 to {MOST_PLANES} channels); "
            f"this image has shape {tuple(image.shape)}. More channels, volumes, sound and video "
            "are for method='wavelet'."
        )
    if max(image.shape) > LARGEST:
        raise ValueError(
            f"encode: method='latent' holds at most {LARGEST} rows and columns; this image has "
            f"shape {tuple(image.shape)}."
        )
