"""Arguments out of their range are refused by name, before a file is read or a scene made."""

from typing import Any

import pytest
import torch

from inverse_inr.io import SpectralCube, read_cube
from inverse_inr.problems.spectral import (
    Alignment,
    Detector,
    Optics,
    cassi,
    cassi_real,
    fusion,
    spectral_sr,
)
from inverse_inr.problems.spectral.gap_tv import admm_tv, gap_tv
from inverse_inr.problems.spectral.hyper_spectra import hyper_spectra
from inverse_inr.problems.spectral.scenes import spectral_scene

NAN = float("nan")


@pytest.mark.parametrize(
    ("call", "keywords", "message"),
    [
        (cassi, {"size": 0}, "cassi: size=0"),
        (cassi, {"size": 12.5}, "cassi: size=12.5"),
        (cassi, {"size": 10**7}, "cassi: size=10000000.* of memory"),
        (cassi, {"bands": -28}, "cassi: bands=-28"),
        (cassi, {"seed": 1.5}, "cassi: seed=1.5"),
        (cassi, {"seed": -1}, "cassi: seed=-1"),
        (cassi, {"reflectances": "paint"}, "cassi: reflectances='paint'"),
        (cassi, {"second": "grey"}, "cassi: second='grey'"),
        (cassi, {"optics": 2.0}, "cassi: optics=2.0"),
        (cassi, {"detector": Alignment()}, "cassi: detector="),
        (cassi, {"colour": 3}, "cassi: .*colour"),
        (cassi_real, {"bands": 0}, "cassi_real: bands=0"),
        (cassi_real, {"bands": "28"}, "cassi_real: bands='28'"),
        (cassi_real, {"bands": 10**12}, "bands=1000000000000.* of memory"),
        (cassi_real, {"step": NAN}, "cassi_real: step=nan"),
        (cassi_real, {"axis": 2}, "cassi_real: axis=2"),
        (cassi_real, {"axis": -1}, "cassi_real: axis=-1"),
        (cassi_real, {"psf": 0.0}, "cassi_real: psf=0.0"),
        (cassi_real, {"noise_level": 0.0}, "cassi_real: noise_level=0.0"),
        (cassi_real, {"saturation": 0.0}, "cassi_real: saturation=0.0"),
        (cassi_real, {"saturation": 1.5}, "cassi_real: saturation=1.5"),
        (cassi_real, {"hold_out": 1.0}, "cassi_real: hold_out=1.0"),
        (cassi_real, {"background": float("inf")}, "cassi_real: background=inf"),
        (cassi_real, {"rows": (1, 2, 3)}, "cassi_real: rows="),
        (cassi_real, {"calibrate": "mask"}, "cassi_real: calibrate='mask'"),
        (cassi_real, {"wavelengths": [500.0, -1.0]}, "cassi_real: wavelengths="),
        (cassi_real, {"check_mask": 1}, "cassi_real: check_mask=1"),
        (Optics, {"step": "2"}, "Optics: step='2'"),
        (Optics, {"axis": 3}, "Optics: axis=3"),
        (Optics, {"mode": "sd"}, "Optics: mode='sd'"),
        (Alignment, {"mask_shift": (0.0, NAN)}, "Alignment: mask_shift="),
        (Detector, {"readout": -1.0}, "Detector: readout=-1.0"),
        (Detector, {"efficiency": 1.0}, "Detector: efficiency=1.0"),
        (spectral_sr, {"noise_level": 0.0}, "spectral_sr: noise_level=0.0"),
        (spectral_sr, {"bands": 0}, "spectral_sr: bands=0"),
        (fusion, {"factor": 0}, "fusion: factor=0"),
        (fusion, {"size": 10**7, "factor": 10}, "size=10000000.* of memory"),
        (hyper_spectra, {"width": 0}, "hyper_spectra: width=0"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call: Any, keywords: dict, message: str):
    arguments = ("none.mat", "none.mat") if call is cassi_real else ()
    with pytest.raises((TypeError, ValueError), match=message):
        call(*arguments, **keywords)


@pytest.mark.parametrize("method", [gap_tv, admm_tv])
@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"strength": "best"}, "strength='best'"),
        ({"strength": -0.1}, "strength=-0.1"),
        ({"strengths": [0.1, 0.0]}, "strengths="),
        ({"iterations": 0}, "iterations=0"),
        ({"denoiser": 3}, "denoiser=3"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_classical_methods_refuse_what_is_out_of_range(method: Any, keywords: dict, message: str):
    with pytest.raises((TypeError, ValueError), match=f"{method.__name__}: {message}"):
        method(cassi(size=8, bands=2), **keywords)


@pytest.mark.parametrize(
    ("call", "arguments", "keywords", "message"),
    [
        (read_cube, (3,), {}, "read_cube: path=3"),
        (read_cube, ("a.mat", 3), {}, "read_cube: key=3"),
        (read_cube, ("a.mat",), {"bands": 31}, "read_cube: bands=31"),
        (read_cube, ("a.mat",), {"scale": NAN}, "read_cube: scale=nan"),
        (read_cube, ("a.mat",), {"raw": 1}, "read_cube: raw=1"),
        (read_cube, ("a.mat",), {"wavelengths": "visible"}, "read_cube: wavelengths='visible'"),
        (read_cube, ("a.mat",), {"wavelengths": [500.0, NAN]}, "read_cube: wavelengths="),
        (SpectralCube, ([[1.0]],), {}, "SpectralCube: values="),
        (SpectralCube, (torch.ones(2, 2, 2), [1.0, 2.0]), {}, "SpectralCube: wavelengths="),
        (SpectralCube(torch.ones(2, 2, 2)).saturated, (NAN,), {}, "level=nan"),
        (spectral_scene, (torch.ones(2, 2, 3), None), {}, "spectral_scene: box=None"),
    ],
)
def test_cubes_and_scenes_refuse_other_kinds(call: Any, arguments, keywords, message: str):
    with pytest.raises((TypeError, ValueError), match=message):
        call(*arguments, **keywords)
