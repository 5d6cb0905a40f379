"""The acquisitions of an ISMRMRD file: their counters, and the flags that say what they are for.

Source:
    The enumeration ISMRMRD_AcquisitionFlags of ismrmrd.h, whose numbers count from 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inverse_inr.io.files import FileFormatError, PathLike
from inverse_inr.io.kspace.raw import choice_note, picked

NOISE, CALIBRATION, CALIBRATION_AND_IMAGING, REVERSED = 19, 20, 21, 22
"""Flags: a noise scan; reference lines of parallel imaging, alone or imaging too; turned round."""
PHASE_CORRECTION = 24
"""The flag of lines without phase encoding that tell the phase between an EPI's polarities."""
NO_IMAGE = {
    23: "navigator",
    26: "high-priority feedback",
    27: "dummy",
    28: "real-time feedback",
    29: "surface coil correction",
    30: "phase stabilization reference",
    31: "phase stabilization",
}
"""Flags of acquisitions that are no part of an image and are left out, by their names."""
COMPRESSED = (53, 54, 55, 56)
"""Flags of samples that a library has compressed."""
COUNTERS = {
    "encoding_space": "encoding_space_ref",
    "slice": "slice",
    "contrast": "contrast",
    "set": "set",
    "phase": "phase",
    "repetition": "repetition",
}
"""Counters that tell images apart, by keyword, in the order in which they are chosen."""
OTHER_COUNTERS = {"average": "average", "partition": "kspace_encode_step_2"}
"""Counters that belong to one image, unless one value is chosen."""


@dataclass(frozen=True)
class Acquisitions:
    """The headers of a file's acquisitions, whose samples stay on disk until they are asked for.

    Args:
        path: The file, for messages.
        dataset: The dataset of the records.
        heads: (n,) their headers.
        index: (k,) numbers of the acquisitions that are meant.
    """

    path: PathLike
    dataset: Any
    heads: np.ndarray
    index: np.ndarray

    @classmethod
    def of(cls, path: PathLike, dataset: Any) -> Acquisitions:
        """Read the headers.

        Args:
            path: The file, for messages.
            dataset: The dataset of the records.

        Returns:
            All acquisitions.

        Raises:
            FileFormatError: The dataset holds no acquisitions.
        """
        names = dataset.dtype.names
        if names is None or not {"head", "data"} <= set(names) or not dataset.size:
            raise FileFormatError(f"{path}: {dataset.name[1:]} holds no ISMRMRD acquisitions.")
        _check_records(path, dataset.dtype)
        heads = np.asarray(dataset.fields("head")[()]).reshape(-1)
        return cls(path, dataset, heads, np.arange(len(heads)))

    def __len__(self) -> int:
        return len(self.index)

    def field(self, name: str) -> np.ndarray:
        """Read a field of the headers.

        Args:
            name: The field, or a counter of its `idx`.

        Returns:
            (k,) values; zeros where the file has no such field.
        """
        for part in (self.heads, self.heads["idx"]):
            if name in (part.dtype.names or ()):
                return part[name][self.index]
        return np.zeros(len(self.index), dtype=np.int64)

    def flagged(self, *flags: int) -> np.ndarray:
        """Say which acquisitions carry any of some flags.

        Args:
            flags: Numbers of the flags, from 1.

        Returns:
            (k,) bool.
        """
        bits = self.field("flags").astype(np.uint64)
        wanted = np.uint64(sum(1 << (flag - 1) for flag in flags))
        return (bits & wanted) != 0

    def where(self, keep: np.ndarray) -> Acquisitions:
        """Keep some of the acquisitions.

        Args:
            keep: (k,) bool.

        Returns:
            Those.
        """
        return Acquisitions(self.path, self.dataset, self.heads, self.index[keep])

    def values(self, counter: str) -> list[int]:
        """List the values that a counter takes.

        Args:
            counter: The field's name in the header.

        Returns:
            The values, ascending.
        """
        return np.unique(self.field(counter)).astype(int).tolist()

    def nearest(self, counters: Mapping[str, int]) -> Acquisitions:
        """Keep those that belong to an image best: never two values of a counter.

        Args:
            counters: Values by the counter's name in the header. Where no acquisition has a value,
                that nearest to it is taken.

        Returns:
            The acquisitions of these values.
        """
        found = self
        for name, value in counters.items():
            if len(found):
                there = found.values(name)
                nearest = min(there, key=lambda v: abs(v - value))
                found = found.where(found.field(name) == nearest)
        return found

    def readouts(self) -> list[np.ndarray]:
        """Read the samples, without those that are to be discarded at both ends.

        Returns:
            (channels, samples) complex64 for each acquisition.

        Raises:
            FileFormatError: Samples are compressed, or not as many as their header says.
        """
        if self.flagged(*COMPRESSED).any():
            raise FileFormatError(
                f"{self.path}: the samples are compressed (flags 53 to 56). Decompress them first."
            )
        samples = self.field("number_of_samples").astype(int)
        channels = self.field("active_channels").astype(int)
        before = self.field("discard_pre").astype(int)
        after = self.field("discard_post").astype(int)
        out = []
        for k, data in enumerate(self._samples("data")):
            values = np.asarray(data, np.float32)
            expected = (channels[k], samples[k])
            if values.size != 2 * channels[k] * samples[k] or not values.size:
                raise FileFormatError(
                    f"{self.path}: acquisition {self.index[k]} holds {values.size} numbers, which "
                    f"does not fit its header: 2 x {expected} (channels, samples)."
                )
            if before[k] + after[k] >= samples[k]:
                raise FileFormatError(
                    f"{self.path}: acquisition {self.index[k]} of {samples[k]} samples discards "
                    f"{before[k]} (discard_pre) and {after[k]} (discard_post)."
                )
            readout = np.ascontiguousarray(values).view(np.complex64).reshape(expected)
            out.append(readout[:, before[k] : samples[k] - after[k]])
        return out

    def trajectories(self) -> list[np.ndarray]:
        """Read the trajectories, without the samples that are to be discarded.

        Returns:
            (samples, dimensions) float32 for each acquisition.

        Raises:
            FileFormatError: A trajectory is missing or has another size than its header says.
        """
        if "traj" not in self.dataset.dtype.names:
            raise FileFormatError(
                f"{self.path}: the acquisition is not Cartesian, and the records have no traj."
            )
        samples = self.field("number_of_samples").astype(int)
        axes = self.field("trajectory_dimensions").astype(int)
        before = self.field("discard_pre").astype(int)
        after = self.field("discard_post").astype(int)
        out = []
        for k, data in enumerate(self._samples("traj")):
            values = np.asarray(data, np.float32)
            if values.size != samples[k] * axes[k] or not axes[k]:
                raise FileFormatError(
                    f"{self.path}: the trajectory of acquisition {self.index[k]} holds "
                    f"{values.size} numbers for {samples[k]} samples in {axes[k]} dimensions."
                )
            out.append(values.reshape(samples[k], axes[k])[before[k] : samples[k] - after[k]])
        return out

    def _samples(self, field: str) -> list[Any]:
        """A field of variable length of the acquisitions, read in runs of neighbours."""
        out = []
        breaks = np.flatnonzero(np.diff(self.index) != 1) + 1
        column = self.dataset.fields(field)
        for run in np.split(self.index, breaks):
            if len(run):
                out.extend(np.asarray(column[run[0] : run[-1] + 1]).reshape(-1))
        return out


def _check_records(path: PathLike, dtype: np.dtype) -> None:
    """Refuse a damaged description of the records, which would crash the HDF5 library.

    Fields must lie one behind the other, be numbers, and samples be of 4 bytes each.
    """
    import h5py

    for name in ("data", "traj"):
        if name in (dtype.names or ()):
            base = h5py.check_vlen_dtype(dtype[name])
            if base is None or base != np.dtype("<f4").newbyteorder(base.byteorder):
                raise FileFormatError(f"{path}: {name} of acquisitions is no list of float32.")
    _check_fields(path, dtype["head"])


def _check_fields(path: PathLike, dtype: np.dtype) -> None:
    end = 0
    places = sorted((dtype.fields or {}).values(), key=lambda place: place[1])
    for part, offset, *_ in places:
        if offset < end or part.base.kind not in "iufV" or offset + part.itemsize > dtype.itemsize:
            raise FileFormatError(f"{path}: the fields of acquisition headers overlap. Damaged?")
        end = offset + part.itemsize
        if part.names is not None:
            _check_fields(path, part)


def chosen(
    acquisitions: Acquisitions, wanted: Mapping[str, int | None], notes: dict[str, str]
) -> tuple[Acquisitions, dict[str, int]]:
    """Keep the acquisitions of one image.

    Slices, contrasts, sets, cardiac phases, repetitions and encoding spaces are never mixed: the
    middle slice and the first of everything else are taken where none is named. Averages and
    partitions belong together unless one is named.

    Args:
        acquisitions: The imaging acquisitions.
        wanted: Wanted values by keyword, None for the default.
        notes: Gets a note for every counter of several values.

    Returns:
        The acquisitions, and the values by the counter's name in the header.

    Raises:
        SelectionError: A counter has no such value.
    """
    counters: dict[str, int] = {}
    for keyword, field in (COUNTERS | OTHER_COUNTERS).items():
        values = acquisitions.values(field)
        given = wanted.get(keyword)
        if keyword in OTHER_COUNTERS and given is None:
            continue
        value = picked(acquisitions.path, keyword, given, values)
        if len(values) > 1:
            notes[keyword] = choice_note(keyword, value, values, given)
        counters[field] = value
        acquisitions = acquisitions.where(acquisitions.field(field) == value)
    return acquisitions, counters


def counted(acquisitions: Acquisitions) -> Sequence[str]:
    """Name the kinds of acquisitions that are left out, with their numbers."""
    found = []
    for flag, name in NO_IMAGE.items():
        number = int(acquisitions.flagged(flag).sum())
        if number:
            found.append(f"{number} {name} (flag {flag})")
    return found
