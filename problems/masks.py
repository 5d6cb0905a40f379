"""Masks from image files: two levels of any kind, of which the brighter one means "known".

0 and 1, 0 and 255, two colours of a palette, bits, or an alpha channel. An inverted mask is never
guessed: what was found stands in words beside the mask.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from inverse_inr.io import READERS, inferences, read_image
from inverse_inr.io.tiff import ZERO_IS_WHITE
from inverse_inr.ranges import checked

MOST_NAMED = 6
"""Levels that a message names at most."""


class FoundMask(NamedTuple):
    """The mask of a file, and what in the file it is."""

    known: Tensor
    """(h, w) boolean."""
    where: str
    """The rule in words: "where m.png is 255 rather than 0 (of 255)"."""


@checked
def read_mask(path: str) -> FoundMask:
    """Read a mask from an image file.

    Args:
        path: The image. Of a picture with an alpha channel, the one of colours and alpha that has
            two levels is the mask.

    Returns:
        The mask, True at the brighter level (at the only one, unless it is 0).

    Raises:
        ValueError: The image has three or more levels, two that are equally bright, NaN, a zero
            that is white, or two candidates that disagree; it is no picture, or cannot be read.
    """
    with inferences() as inferred:
        values, colours = _values(path)
    if any(ZERO_IS_WHITE in sentence for sentence in inferred):
        raise ValueError(
            f"{path}: zero is white in this file (MINISWHITE, as tifffile writes bool). White and "
            "nonzero mean known, and here they contradict each other. Save the mask as 8-bit grey."
        )
    if values.ndim != 3:
        raise ValueError(f"{path}: a mask is a picture, found {values.ndim - 1} axes.")
    if not torch.isfinite(values).all():
        raise ValueError(f"{path}: a mask has two levels; this one holds NaN or Inf.")
    shown = values[..., :colours]
    if colours == values.shape[-1]:
        return _of_levels(shown, path, path)
    opacity = values[..., colours:]
    counts = [len(_levels(v)) for v in (shown, opacity)]
    if counts[1] == 1:
        return _of_levels(shown, path, path)
    by_alpha = f"the alpha of {path}"
    if counts[0] == 1 or (counts[1] == 2 and counts[0] > 2):
        return _of_levels(opacity, path, by_alpha)
    found = _of_levels(shown, path, path)
    other = _of_levels(opacity, path, by_alpha)
    if not torch.equal(found.known, other.known):
        raise ValueError(
            f"{path}: its colours and its alpha channel are two masks, and they differ in "
            f"{int((found.known != other.known).sum())} pixels. Save the one that is meant."
        )
    return found


def mask_of_array(mask: Tensor) -> FoundMask:
    """Take an array of two levels as a mask.

    Args:
        mask: (h, w), or (h, w, 1), of bool or of two numbers, the larger of which means known.

    Returns:
        The mask.

    Raises:
        ValueError: It has another form, more levels, or NaN.
    """
    values = mask
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] != 1 or values.is_complex() or not values.numel():
        raise ValueError(f"A mask as an array is (h, w) of real numbers, not {tuple(mask.shape)}.")
    values = values.detach().cpu().float()
    if not torch.isfinite(values).all():
        raise ValueError("the mask: a mask has two levels; this one holds NaN or Inf.")
    return _of_levels(values, "the mask", "the array")


def _values(path: str) -> tuple[Tensor, int]:
    """A picture's values (h, w, c) with its alpha, and how many of the channels are colours."""
    suffix = next((s for s in READERS if path.lower().endswith(s)), "")
    if suffix not in (".png", ".tif", ".tiff"):
        values, _ = read_image(path)
        return values, values.shape[-1]
    values, _ = read_image(path, alpha=True)
    count = values.shape[-1]
    return values, count - (count in (2, 4))


def _levels(values: Tensor) -> Tensor:
    """The different values of a picture's pixels, (levels, c)."""
    return values.reshape(-1, values.shape[-1]).unique(dim=0)


def _of_levels(values: Tensor, path: str, what: str) -> FoundMask:
    """The mask of values (h, w, c) with two levels."""
    levels = _levels(values)
    if len(levels) > 2:
        named = ", ".join(_word(v) for v in levels[:MOST_NAMED])
        more = ", ..." if len(levels) > MOST_NAMED else ""
        raise ValueError(
            f"{path}: a mask has two levels, known and lost; {what} has {len(levels)}: "
            f"{named}{more}. Threshold it and save it without loss (PNG); JPEG and smooth edges "
            "make levels of their own."
        )
    bright = levels @ levels.new_tensor(_weights(levels.shape[-1]))
    top = levels[int(bright.argmax())]
    if len(levels) == 1:
        known = torch.full(values.shape[:2], bool(bright[0] > 0))
        return FoundMask(known, f"{what} is {_word(top)} everywhere")
    if abs(float(bright[0] - bright[1])) <= 1e-6 * float(levels.abs().max()):
        raise ValueError(
            f"{path}: the two levels of the mask, {_word(levels[0])} and {_word(levels[1])}, are "
            "equally bright; the brighter one means known. Save it as black and white."
        )
    low = levels[int(bright.argmin())]
    known = (values == top).all(-1)
    return FoundMask(known, f"where {what} is {_word(top)} rather than {_word(low)}")


def _weights(channels: int) -> list[float]:
    """What each channel adds to brightness (BT.601 for three colours)."""
    if channels == 3:
        return [0.299, 0.587, 0.114]
    return [1 / channels] * channels


def _word(level: Tensor) -> str:
    """A level as its file has it: "1/255", "(255, 0, 0)/255", or the number itself."""
    for full in (255, 65535):
        whole = level * full
        if bool(((whole - whole.round()).abs() < 1e-2).all()) and bool((level <= 1).all()):
            return f"{_numbers(whole.round())}/{full}"
    return _numbers(level)


def _numbers(level: Tensor) -> str:
    words = [f"{v:g}" for v in level.tolist()]
    return words[0] if len(words) == 1 else f"({', '.join(words)})"
