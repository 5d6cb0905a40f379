"""ISMRMRD HDF5: acquisitions that carry counters and flags, and an XML header.

Source:
    Inati et al., MRM 77, 2017.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from inverse_inr.io.files import FileFormatError, PathLike, SelectionError
from inverse_inr.io.hdf5 import open_hdf5
from inverse_inr.io.kspace.acquisitions import (
    CALIBRATION,
    CALIBRATION_AND_IMAGING,
    NO_IMAGE,
    NOISE,
    PHASE_CORRECTION,
    Acquisitions,
    chosen,
    counted,
)
from inverse_inr.io.kspace.echo_planar import on_uniform_samples, phase_corrected, ramp_positions
from inverse_inr.io.kspace.header import Encoding, Header, header_text, read_header
from inverse_inr.io.kspace.noise_scan import noise_covariance
from inverse_inr.io.kspace.placement import (
    center_is_missing,
    cropped_readout,
    kept_readout,
    matrix_shape,
    placed,
    turned,
)
from inverse_inr.io.kspace.raw import RawKSpace, checked_values
from inverse_inr.io.kspace.soundness import check_heaps
from inverse_inr.io.kspace.trajectories import read_trajectory

CARTESIAN = ("cartesian", "epi")
"""Trajectories of the header whose samples lie on a matrix."""


def ismrmrd_groups(file: Any) -> list[str]:
    """Name the groups of a file that hold ISMRMRD acquisitions.

    Args:
        file: The open HDF5 file.

    Returns:
        Their names.
    """
    import h5py

    return [
        name
        for name, group in file.items()
        if isinstance(group, h5py.Group) and isinstance(group.get("data"), h5py.Dataset)
    ]


def read_ismrmrd(
    path: PathLike,
    file: Any,
    wanted: Mapping[str, int | None],
    dataset: str | None,
    noise_scan: PathLike | None,
) -> RawKSpace:
    """Read one image's k-space.

    Acquisitions are used for what their flags say: noise scans give the covariance of the
    receivers, reference lines coil maps, phase-correction lines the phase between an EPI's
    polarities. What is no image is left out and counted in the notes.

    Args:
        path: The file, for messages.
        file: The open HDF5 file.
        wanted: Wanted values of the counters, by keyword.
        dataset: The group to read; None for the only one, or "dataset".
        noise_scan: Another file, with the noise scans.

    Returns:
        The k-space.

    Raises:
        FileFormatError: The file contradicts itself.
        SelectionError: There is no such group or no such value of a counter.
    """
    notes: dict[str, str] = {}
    group = _group(path, file, dataset, notes)
    everything = Acquisitions.of(path, group["data"])
    if "xml" not in group:
        raise FileFormatError(f"{path}: {group.name[1:]}/xml, the header, is missing.")
    header = read_header(path, header_text(path, group["xml"]))
    imaging, counters = _imaging(path, everything, header, wanted, notes)
    encoding = header.encodings[counters["encoding_space_ref"]]
    noise = _noise(path, everything, imaging, header, noise_scan, notes)
    if not _is_cartesian(encoding, imaging):
        return read_trajectory(imaging, encoding, noise, notes)
    shape = matrix_shape(imaging, encoding, wanted.get("partition") is not None)
    values, counts = _matrix(everything, imaging, counters, encoding, shape, notes)
    kept, note = kept_readout(encoding, values, counts)
    if note:
        notes["readout"] = note
    reference = _reference(everything, imaging, counters, encoding, shape, notes)
    if kept < shape[0]:
        values = cropped_readout(values, kept)
        counts = _cropped_counts(counts, kept)
        values = values * (counts > 0)
    if int(counts.max()) > 1:
        notes["averages"] = f"up to {int(counts.max())} measurements of an entry are averaged"
    checked_values(path, values)
    _note_spaces(encoding, shape, notes)
    return RawKSpace(
        values,
        counts > 0,
        encoding.encoded.spacing(len(shape)),
        counts=counts,
        noise=noise,
        calibration=_calibration(reference, kept),
        notes=notes,
    )


def _group(path: PathLike, file: Any, wanted: str | None, notes: dict[str, str]) -> Any:
    names = ismrmrd_groups(file)
    if wanted is not None:
        if wanted not in names:
            raise SelectionError(
                f"{path}: dataset={wanted!r}, but the file holds {', '.join(names)}."
            )
        return file[wanted]
    if len(names) == 1:
        return file[names[0]]
    if "dataset" not in names:
        raise SelectionError(
            f"{path}: the file holds several datasets, {', '.join(names)}. Pass dataset=..."
        )
    notes["dataset"] = f"'dataset' of {', '.join(names)} (default; dataset=... chooses another)"
    return file["dataset"]


def _imaging(
    path: PathLike,
    everything: Acquisitions,
    header: Header,
    wanted: Mapping[str, int | None],
    notes: dict[str, str],
) -> tuple[Acquisitions, dict[str, int]]:
    """The acquisitions of the image that is wanted, and the values of their counters."""
    left_out = everything.flagged(NOISE, PHASE_CORRECTION, *NO_IMAGE)
    reference = everything.flagged(CALIBRATION) & ~everything.flagged(CALIBRATION_AND_IMAGING)
    imaging = everything.where(~left_out & ~reference)
    if not len(imaging):
        raise FileFormatError(f"{path}: {everything.dataset.name[1:]} holds no image acquisitions.")
    if others := counted(everything):
        notes["left out"] = ", ".join(others)
    imaging, counters = chosen(imaging, wanted, notes)
    space = counters["encoding_space_ref"]
    if space >= len(header.encodings):
        raise FileFormatError(
            f"{path}: acquisitions refer to encoding space {space}, the header describes "
            f"{len(header.encodings)}."
        )
    return imaging, counters


def _noise(
    path: PathLike,
    everything: Acquisitions,
    imaging: Acquisitions,
    header: Header,
    noise_scan: PathLike | None,
    notes: dict[str, str],
) -> Tensor | None:
    if noise_scan is None:
        scans = everything.where(everything.flagged(NOISE))
        return noise_covariance(scans, imaging, header.noise_bandwidth, notes)
    with open_hdf5(noise_scan) as file:
        check_heaps(noise_scan)
        names = ismrmrd_groups(file)
        found = [Acquisitions.of(noise_scan, file[name]["data"]) for name in names]
        scans = [a.where(a.flagged(NOISE)) for a in found]
        scans = [a for a in scans if len(a)]
        if not scans:
            raise FileFormatError(f"{noise_scan}: holds no noise scan (flag {NOISE}) for {path}.")
        return noise_covariance(scans[0], imaging, header.noise_bandwidth, notes)


def _is_cartesian(encoding: Encoding, imaging: Acquisitions) -> bool:
    if encoding.trajectory:
        return encoding.trajectory in CARTESIAN
    return not imaging.field("trajectory_dimensions").any()


def _matrix(
    everything: Acquisitions,
    imaging: Acquisitions,
    counters: dict[str, int],
    encoding: Encoding,
    shape: tuple[int, ...],
    notes: dict[str, str],
) -> tuple[Tensor, Tensor]:
    """The image's k-space and how many measurements are in each entry."""
    corrections = everything.where(everything.flagged(PHASE_CORRECTION)).nearest(counters)
    readouts = on_uniform_samples(imaging.path, turned(imaging), encoding)
    if ramp_positions(encoding) is not None:
        notes["ramp sampling"] = "samples on the gradient's ramps were put on the matrix"
    readouts = phase_corrected(readouts, corrections, encoding, notes)
    if readouts.reversed.all():
        notes["reversed readouts"] = "all readouts turned round"
    if center_is_missing(imaging, readouts, shape[0]):
        notes["center_sample"] = "0 or missing in all readouts: taken as their middle"
    values, counts = placed(imaging, readouts, encoding, shape)
    if encoding.calibration != "embedded":
        return values, counts
    # embedded reference lines are lines of this image that regular undersampling leaves out
    extra = _reference_lines(everything, counters)
    if len(extra):
        more, measured = placed(extra, turned(extra), encoding, shape)
        new = (counts == 0) & (measured > 0)
        values = torch.where(new, more, values)
        counts = torch.where(new, measured, counts)
        notes["embedded calibration"] = f"{len(extra)} reference lines belong to the image"
    return values, counts


def _reference_lines(everything: Acquisitions, counters: dict[str, int]) -> Acquisitions:
    lines = everything.where(
        everything.flagged(CALIBRATION, CALIBRATION_AND_IMAGING)
        & ~everything.flagged(PHASE_CORRECTION, NOISE, *NO_IMAGE)
    )
    return lines.nearest(counters)


def _reference(
    everything: Acquisitions,
    imaging: Acquisitions,
    counters: dict[str, int],
    encoding: Encoding,
    shape: tuple[int, ...],
    notes: dict[str, str],
) -> tuple[Tensor, Tensor] | None:
    """Separate reference lines on the matrix, and what of it they measure."""
    separate = everything.flagged(CALIBRATION) & ~everything.flagged(CALIBRATION_AND_IMAGING)
    if encoding.calibration == "embedded" or not separate.any():
        return None
    lines = _reference_lines(everything, counters)
    same_space = lines.field("encoding_space_ref") == counters["encoding_space_ref"]
    same_channels = lines.field("active_channels") == imaging.field("active_channels")[0]
    lines = lines.where(same_space & same_channels)
    if not len(lines):
        notes["reference lines"] = "not used: they have another encoding space or other channels"
        return None
    readouts = phase_corrected(
        on_uniform_samples(lines.path, turned(lines), encoding),
        everything.where(everything.flagged(PHASE_CORRECTION)).nearest(counters),
        encoding,
        {},
    )
    try:
        found = placed(lines, readouts, encoding, shape)
    except FileFormatError as error:
        notes["reference lines"] = f"not used: {str(error).partition(': ')[2]}"
        return None
    notes["reference lines"] = f"{len(lines)} separate lines, for coil maps"
    return found


def _calibration(reference: tuple[Tensor, Tensor] | None, kept: int) -> Tensor | None:
    """The reference lines on the cropped readout, (coils, *shape), zero where there are none."""
    if reference is None:
        return None
    values, counts = reference
    if kept < values.shape[1]:
        values = cropped_readout(values, kept)
        counts = _cropped_counts(counts, kept)
    return values * (counts > 0)


def _cropped_counts(counts: Tensor, kept: int) -> Tensor:
    """Counts of whole readouts, for fewer samples along them."""
    return counts.amax(0, keepdim=True).expand(kept, *counts.shape[1:]).contiguous()


def _note_spaces(encoding: Encoding, shape: tuple[int, ...], notes: dict[str, str]) -> None:
    recon = encoding.recon
    if recon is not None and recon.size[1 : len(shape)] != encoding.encoded.size[1 : len(shape)]:
        notes["reconSpace"] = (
            f"the header asks for {' x '.join(map(str, recon.size[1 : len(shape)]))} lines; the "
            f"image keeps the {' x '.join(map(str, shape[1:]))} encoded ones, neither cropped nor "
            "interpolated"
        )
    if len(shape) == 2 and encoding.encoded.size[2] > 1:
        notes["partition"] = notes.get(
            "partition", f"one of encodedSpace's {encoding.encoded.size[2]}; read as an image"
        )
