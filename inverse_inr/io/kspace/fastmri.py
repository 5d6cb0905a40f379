"""fastMRI HDF5: one array of k-space, a mask of lines, and an ISMRMRD header.

Source:
    Zbontar et al., arXiv 1811.08839.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.kspace.header import Encoding, header_text, read_header
from inverse_inr.io.kspace.placement import cropped_readout, kept_readout
from inverse_inr.io.kspace.raw import RawKSpace, checked_values, choice_note, picked
from inverse_inr.io.kspace.soundness import check_type


def read_fastmri(path: PathLike, file: Any, wanted: Mapping[str, int | None]) -> RawKSpace:
    """Read kspace (slices[, coils], readout, lines), mask (lines,) and ismrmrd_header.

    Scans measure fewer lines than the matrix has, and the files hold zeros beside them; the
    attributes padding_left and padding_right say where, or else exact zeros do.

    Args:
        path: The file, for messages.
        file: The open HDF5 file.
        wanted: The wanted slice.

    Returns:
        The k-space of one slice.

    Raises:
        FileFormatError: The arrays disagree.
        SelectionError: There is no such slice.
    """
    data = file["kspace"]
    if getattr(data, "ndim", 0) not in (3, 4) or data.dtype.kind != "c":
        found = getattr(data, "shape", "a group")
        raise FileFormatError(
            f"{path}: expected complex kspace (slices[, coils], rows, lines), found {found}."
        )
    check_type(path, data)
    notes: dict[str, str] = {}
    slices = list(range(data.shape[0]))
    number = picked(path, "slice", wanted.get("slice"), slices)
    if len(slices) > 1:
        notes["slice"] = choice_note("slice", number, slices, wanted.get("slice"))
    values = np.asarray(data[number])
    if values.ndim == 2:
        values = values[None]
    raw = checked_values(path, torch.from_numpy(values.astype(np.complex64)))
    mask = (raw != 0).any(0)
    support = _support(path, file, raw, notes)
    if "mask" in file:
        lines = torch.from_numpy(np.asarray(file["mask"][()]).astype(bool)).flatten()
        if len(lines) != raw.shape[-1]:
            raise FileFormatError(
                f"{path}: mask has {len(lines)} entries and kspace {raw.shape[-1]} lines."
            )
        if not bool((mask & lines).any()):
            raise FileFormatError(
                f"{path}: mask keeps {int(lines.sum())} of {len(lines)} lines, and all of kspace "
                "that is not zero lies in the others. Inverted?"
            )
        mask = mask & lines
    raw = raw * mask
    spacing = None
    if "ismrmrd_header" in file:
        header = read_header(path, header_text(path, file["ismrmrd_header"]))
        encoding = header.encodings[0]
        if encoding.encoded.view is not None:
            view = encoding.encoded.view
            spacing = (view[0] / raw.shape[1], view[1] / raw.shape[2])
        raw, mask, support = _without_oversampling(raw, mask, support, encoding, notes)
    return RawKSpace(raw, mask, spacing, support=support, notes=notes)


def _without_oversampling(
    raw: Tensor, mask: Tensor, support: Tensor, encoding: Encoding, notes: dict[str, str]
) -> tuple[Tensor, Tensor, Tensor]:
    """The image's part of the readout, where the header tells that readouts are oversampled."""
    if encoding.encoded.size[0] != raw.shape[1]:
        return raw, mask, support
    kept, note = kept_readout(encoding, raw, mask.int())
    if note:
        notes["readout"] = note
    if kept == raw.shape[1]:
        return raw, mask, support
    mask, support = (m.any(0).expand(kept, -1).contiguous() for m in (mask, support))
    return cropped_readout(raw, kept) * mask, mask, support


def _support(path: PathLike, file: Any, raw: Tensor, notes: dict[str, str]) -> Tensor:
    """The columns that the scan meant to measure: (*shape) bool."""
    lines = raw.shape[-1]
    names = ("padding_left", "padding_right")
    if all(name in file.attrs for name in names):
        left, right = (int(np.asarray(file.attrs[name]).reshape(-1)[0]) for name in names)
        if not 0 <= left < right <= lines:
            raise FileFormatError(
                f"{path}: padding_left={left} and padding_right={right} of {lines} columns."
            )
        said = "attributes padding_left and padding_right"
    else:
        filled = (raw != 0).any(0).any(0).nonzero().flatten()
        left, right = int(filled[0]), int(filled[-1]) + 1
        said = "exact zeros in all coils and rows at both ends"
        if "mask" in file or abs(left - (lines - right)) > max(2, lines // 50):
            # undersampled, or a partial Fourier scan: zeros are not there by intention alone
            left, right = 0, lines
    if right - left < lines:
        notes["zero-filled columns"] = f"{lines - right + left} of {lines} ({said})"
    support = torch.zeros(raw.shape[1:], dtype=torch.bool)
    support[:, left:right] = True
    return support
