"""ISMRMRD files for tests, written by the `ismrmrd` package or with a dtype of our own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Grid, phantoms, sample
from inverse_inr.operators.kspace.centred_fft import centred_fft, centred_inverse

COUNTERS = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "average",
    "slice",
    "contrast",
    "phase",
    "repetition",
    "set",
    "segment",
)
HEAD = (
    "flags",
    "number_of_samples",
    "active_channels",
    "center_sample",
    "discard_pre",
    "discard_post",
    "encoding_space_ref",
    "trajectory_dimensions",
)
SET_BY_ARRAYS = ("flags", "number_of_samples", "active_channels", "trajectory_dimensions")


@dataclass
class Readout:
    """One acquisition: its samples, its flags (from 1), and fields of its header that are not 0."""

    data: np.ndarray
    flags: Sequence[int] = ()
    head: dict[str, float] = field(default_factory=dict)
    trajectory: np.ndarray | None = None

    def fields(self) -> dict[str, float]:
        values: dict[str, float] = dict.fromkeys(HEAD, 0)
        values["flags"] = sum(1 << (flag - 1) for flag in self.flags)
        values["active_channels"], values["number_of_samples"] = self.data.shape
        values["center_sample"] = self.data.shape[1] // 2
        if self.trajectory is not None:
            values["trajectory_dimensions"] = self.trajectory.shape[1]
        return values | self.head


@dataclass
class Space:
    """An encoding space of a header."""

    size: tuple[int, ...]
    view: tuple[float, ...] | None = None
    recon: tuple[int, ...] | None = None
    recon_view: tuple[float, ...] | None = None
    trajectory: str = "cartesian"
    limits: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    calibration: str = ""
    description: dict[str, float] = field(default_factory=dict)

    def xml(self) -> str:
        view = self.view or tuple(2.0 * n for n in self.size)
        recon = self.recon or self.size
        recon_view = self.recon_view or view
        limits = "".join(
            f"<{name}><minimum>{a}</minimum><maximum>{b}</maximum><center>{c}</center></{name}>"
            for name, (a, b, c) in self.limits.items()
        )
        described = "".join(
            f"<userParameterDouble><name>{k}</name><value>{v}</value></userParameterDouble>"
            for k, v in self.description.items()
        )
        imaging = (
            "<parallelImaging><accelerationFactor><kspace_encoding_step_1>2"
            "</kspace_encoding_step_1><kspace_encoding_step_2>1</kspace_encoding_step_2>"
            f"</accelerationFactor><calibrationMode>{self.calibration}</calibrationMode>"
            "</parallelImaging>"
        )
        return (
            f"<encoding><encodedSpace>{_space(self.size, view)}</encodedSpace>"
            f"<reconSpace>{_space(recon, recon_view)}</reconSpace>"
            f"<encodingLimits>{limits}</encodingLimits><trajectory>{self.trajectory}</trajectory>"
            + (
                f"<trajectoryDescription><identifier>a</identifier>{described}"
                "</trajectoryDescription>"
                if described
                else ""
            )
            + (imaging if self.calibration else "")
            + "</encoding>"
        )


def _space(size: Sequence[float], view: Sequence[float]) -> str:
    size, view = ((*v, 1, 5.0)[: max(3, len(v))] for v in (size, view))
    axes = "xyz"
    matrix = "".join(f"<{a}>{int(n)}</{a}>" for a, n in zip(axes, size, strict=False))
    field_of_view = "".join(f"<{a}>{v}</{a}>" for a, v in zip(axes, view, strict=False))
    return f"<matrixSize>{matrix}</matrixSize><fieldOfView_mm>{field_of_view}</fieldOfView_mm>"


def header(spaces: Sequence[Space], bandwidth: float | None = None) -> str:
    system = ""
    if bandwidth is not None:
        system = (
            "<acquisitionSystemInformation><relativeReceiverNoiseBandwidth>"
            f"{bandwidth}</relativeReceiverNoiseBandwidth></acquisitionSystemInformation>"
        )
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">'
        f"{system}<experimentalConditions><H1resonanceFrequency_Hz>1"
        "</H1resonanceFrequency_Hz></experimentalConditions>"
        + "".join(space.xml() for space in spaces)
        + "</ismrmrdHeader>"
    )


def write_own(path: Path, readouts: Sequence[Readout], xml: str, group: str = "dataset") -> Path:
    """Write through h5py, with only the fields that the reader needs."""
    reals = h5py.vlen_dtype(np.float32)
    head = np.dtype(
        [(n, "u8") for n in HEAD]
        + [("sample_time_us", "f4"), ("idx", [(n, "u2") for n in COUNTERS])]
    )
    records = np.zeros(len(readouts), [("head", head), ("traj", reals), ("data", reals)])
    for record, readout in zip(records, readouts, strict=True):
        for name, value in readout.fields().items():
            part = record["head"]["idx"] if name in COUNTERS else record["head"]
            part[name] = value
        record["data"] = np.ascontiguousarray(readout.data, np.complex64).view("f4").ravel()
        track = np.zeros(0) if readout.trajectory is None else readout.trajectory
        record["traj"] = np.asarray(track, np.float32).ravel()
    with h5py.File(path, "a") as file:
        file[f"{group}/data"] = records
        file[f"{group}/xml"] = np.array([xml], dtype=h5py.string_dtype())
    return path


def write_by_package(
    path: Path, readouts: Sequence[Readout], xml: str, group: str = "dataset"
) -> Path:
    """Write with the standard's own Python package."""
    ismrmrd = pytest.importorskip("ismrmrd", reason="the test extra has ismrmrd")
    out: Any = ismrmrd.Dataset(str(path), group, create_if_needed=True)
    out.write_xml_header(xml.encode())
    for readout in readouts:
        track = readout.trajectory
        if track is not None:
            track = np.asarray(track, np.float32)
        made = ismrmrd.Acquisition.from_array(
            np.ascontiguousarray(readout.data, np.complex64), track
        )
        for name, value in readout.fields().items():
            if name in COUNTERS:
                setattr(made.idx, name, value)
            elif name not in SET_BY_ARRAYS:
                setattr(made, name, value)
        for flag in readout.flags:
            made.set_flag(flag)
        out.append_acquisition(made)
    out.close()
    return path


WRITERS = {"own dtype": write_own, "ismrmrd": write_by_package}

NX, NY, COILS = 32, 24, 3


def _coils(shape: tuple[int, ...], count: int) -> Tensor:
    axes = [torch.linspace(-1, 1, n, dtype=torch.float64) for n in shape]
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    maps = []
    for c in range(count):
        angle = torch.tensor(2 * torch.pi * c / count)
        place = torch.zeros(len(shape), dtype=torch.float64)
        place[0], place[1] = 1.3 * angle.cos(), 1.3 * angle.sin()
        size = torch.exp(-((x - place) ** 2).sum(-1) / 1.5)
        maps.append(torch.polar(size, 0.8 * x @ place))
    return torch.stack(maps)


def coil_images(shape: tuple[int, ...] = (NX, NY), count: int = COILS) -> Tensor:
    """(coils, *shape) complex128: a phantom seen by coils."""
    box = Box((-1.0,) * len(shape), (1.0,) * len(shape))
    phantom = phantoms.shepp_logan if len(shape) == 2 else phantoms.shepp_logan_3d
    image = sample(phantom(box), Grid(box, shape), average=2)[..., 0]
    return _coils(shape, count) * image


def kspace_of(images: Tensor) -> np.ndarray:
    return centred_fft(images, images.ndim - 1).numpy()


def lines_of(k: np.ndarray, flags: Sequence[int] = (), **head: float) -> list[Readout]:
    """A readout for each line of (coils, x, y)."""
    return [
        Readout(k[:, :, j], flags, {"kspace_encode_step_1": j, **head}) for j in range(k.shape[2])
    ]


def root_sum_of_squares(values: Tensor) -> Tensor:
    return centred_inverse(values, values.ndim - 1).abs().square().sum(0).sqrt()


def relative(result: Tensor, truth: Tensor) -> float:
    difference = torch.linalg.vector_norm(result.double() - truth.double())
    return float(difference / torch.linalg.vector_norm(truth.double()))
