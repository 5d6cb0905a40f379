"""Kinds of options that priors of frames share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from inverse_inr.ranges import Count, Range

Blocks = Annotated[int, Range(least=1, most=8)]
"""A number of doublings: with 8 a pixel of the coarse frame is 256 pixels wide."""
FrameSize = Sequence[Count] | None
"""Pixels of a frame along each axis of space, or None."""
Reduction = Annotated[float, Range(least=1, most=8)]
"""How many times fewer features a block has than the one before."""
