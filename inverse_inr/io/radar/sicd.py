"""SICD images (NGA's standard) through sarpy, which the extra `radar` installs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.domain import Box, Grid
from inverse_inr.io.files import FileFormatError, PathLike, reading
from inverse_inr.io.radar.cphd import quiet, require_sarpy
from inverse_inr.ranges import checked


@checked
def read_sicd(path: PathLike) -> tuple[Tensor, Grid]:
    """Read a complex image in the slant plane.

    Args:
        path: The file.

    Returns:
        Values (rows away from the radar, columns along track, 1) complex64, and a grid in metres.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: The package sarpy is missing.
        FileFormatError: The file is of another kind or truncated.
    """
    with reading(path, "a SICD file (NITF)", ()) as file, quiet():
        require_sarpy()
        from sarpy.io.complex.sicd import SICDReader

        with file.open("rb") as stream:
            head = stream.read(354)
        if not head.startswith(b"NITF02.10") or not head[342:].isdigit():
            raise FileFormatError(
                f"{file}: expected a SICD file; it does not begin as a NITF 2.1 file."
            )
        if file.stat().st_size < int(head[342:]):  # the field FL, the file's length
            raise FileFormatError(
                f"{file}: a SICD file of {int(head[342:])} bytes by its header; "
                f"it has {file.stat().st_size}. A truncated copy?"
            )
        reader = SICDReader(str(file))
        meta: Any = reader.sicd_meta
        image = np.ascontiguousarray(reader[:, :]).astype(np.complex64)
        values = torch.from_numpy(image)[..., None]
        steps = (float(meta.Grid.Row.SS), float(meta.Grid.Col.SS))
        first = (float(meta.ImageData.SCPPixel.Row), float(meta.ImageData.SCPPixel.Col))
        lower = tuple(-(k + 0.5) * h for k, h in zip(first, steps, strict=True))
        upper = tuple(a + n * h for a, n, h in zip(lower, values.shape, steps, strict=False))
        return values, Grid(Box(lower, upper, ("m", "m")), tuple(values.shape[:2]))
