"""Measured k-space for tests: a phantom as a scanner stores it, and an ISMRMRD file of it."""

from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from inverse_inr import Grid, phantoms
from inverse_inr.operators import CartesianKSpace, birdcage_maps, centred_box

SHAPE, COILS = (40, 36), 4


def scanned() -> Tensor:
    """(coils, *shape) as a scanner stores it: a phantom, FFT convention, a little noise."""
    grid = Grid(centred_box(SHAPE, (2.0, 2.0), ("mm", "mm")), SHAPE)
    operator = CartesianKSpace(grid, torch.ones(SHAPE, dtype=torch.bool))
    coils, field = birdcage_maps(grid.box, COILS), phantoms.shepp_logan(grid.box)
    y = operator.lattice(coils.fourier(field.fourier, operator.frequencies)) / 10
    noise = torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(0))
    return (y + 0.002 * noise).to(torch.complex64)


HEADER = (
    '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding><encodedSpace>'
    "<matrixSize><x>{}</x><y>{}</y></matrixSize>"
    "<fieldOfView_mm><x>80</x><y>72</y></fieldOfView_mm></encodedSpace><encodingLimits>"
    "<kspace_encoding_step_1><center>{}</center></kspace_encoding_step_1>"
    "</encodingLimits></encoding></ismrmrdHeader>"
)


def write_ismrmrd(path: Path, full: Tensor, lines: list[int], **head: int) -> None:
    """An ISMRMRD file: a record per readout, after one of noise that is 50 times louder."""
    idx = np.dtype([("kspace_encode_step_1", "u2"), ("slice", "u2")])
    names = (
        "flags",
        "number_of_samples",
        "active_channels",
        "center_sample",
        "trajectory_dimensions",
    )
    kind = np.dtype(
        [
            ("head", [(n, "u8") for n in names] + [("idx", idx)]),
            ("data", h5py.vlen_dtype(np.float32)),
        ]
    )
    records = np.zeros(len(lines) + 1, kind)
    loud, is_noise = 50, 1 << 18
    readouts = [(lines[0], is_noise, loud), *((line, 0, 1) for line in lines)]
    for k, (line, flags, factor) in enumerate(readouts):
        values = {
            "flags": flags,
            "number_of_samples": full.shape[1],
            "active_channels": len(full),
            "center_sample": full.shape[1] // 2,
            "trajectory_dimensions": 0,
        } | head
        for name, value in values.items():
            records[k]["head"][name] = value
        records[k]["head"]["idx"]["kspace_encode_step_1"] = line
        samples = full[:, :, line].contiguous().numpy().view(np.float32).ravel()
        records[k]["data"] = samples * factor
    with h5py.File(path, "w") as file:
        file["dataset/data"] = records
        file["dataset/xml"] = np.array(
            [HEADER.format(*full.shape[1:], full.shape[2] // 2)], dtype=h5py.string_dtype()
        )
