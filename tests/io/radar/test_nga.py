"""CPHD and SICD as sarpy writes them are read back; damaged ones are refused."""

import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from inverse_inr.io import FileFormatError
from inverse_inr.io.radar import read_cphd, read_sicd

SPOT = np.array([40.0, -75.0, 100.0])  # degrees, degrees, m


sarpy = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PULSES, FREQUENCIES = 6, 7
PULSE_PARAMETERS = [
    "TxTime",
    "TxPos",
    "TxVel",
    "RcvTime",
    "RcvPos",
    "RcvVel",
    "SRPPos",
    "aFDOP",
    "aFRR1",
    "aFRR2",
    "FX1",
    "FX2",
    "TOA1",
    "TOA2",
    "TDTropoSRP",
    "SC0",
    "SCSS",
]
VECTORS = {"TxPos", "TxVel", "RcvPos", "RcvVel", "SRPPos"}


def pulse_parameters():
    """The layout of the numbers that CPHD keeps per pulse, and how many they are."""
    from sarpy.io.phase_history.cphd1_elements import PVP

    parameters = {}
    size = 0
    for name in PULSE_PARAMETERS:
        if name in VECTORS:
            parameters[name] = PVP.PerVectorParameterXYZ(Offset=size)
            size += 3
        else:
            parameters[name] = PVP.PerVectorParameterF8(Offset=size)
            size += 1
    return PVP.PVPType(**parameters), size


def cphd_header(domain, origin):
    """The XML of a file with one channel about a scene at `origin` (ECF, m)."""
    from sarpy.io.phase_history.cphd1_elements.CPHD import CPHDType

    pvp, size = pulse_parameters()
    channel = {
        "Identifier": "1",
        "NumVectors": PULSES,
        "NumSamples": FREQUENCIES,
        "SignalArrayByteOffset": 0,
        "PVPArrayByteOffset": 0,
    }
    identity = {
        "CollectorName": "none",
        "CoreName": "test",
        "CollectType": "MONOSTATIC",
        "ReleaseInfo": "none",
        "Classification": "UNCLASSIFIED",
        "RadarMode": {"ModeType": "SPOTLIGHT"},
    }
    return CPHDType(
        CollectionID=identity,
        Global={"DomainType": domain, "SGN": -1},
        SceneCoordinates={"IARP": {"ECF": list(origin), "LLH": list(SPOT)}},
        Data={"SignalArrayFormat": "CF8", "NumBytesPVP": 8 * size, "Channels": [channel]},
        PVP=pvp,
    )


def local_axes():
    """East, north and up at SPOT, as rows of ECF coordinates."""
    b, a = np.deg2rad(SPOT[:2])
    east = np.array([-np.sin(a), np.cos(a), 0])
    north = np.array([-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)])
    up = np.array([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])
    return np.stack([east, north, up])


def write_cphd(path, domain="FX", steps=(0.0, 0.0)):
    """Write a file of 6 pulses and 7 frequencies about SPOT.

    `steps` are the changes per pulse of the first frequency and of the step between two (Hz).
    Returns samples, antennas (east, north, up; m) and frequencies (Hz).
    """
    pytest.importorskip("sarpy")
    from sarpy.geometry.geocoords import geodetic_to_ecf
    from sarpy.io.phase_history.cphd import CPHDWriter1

    origin = geodetic_to_ecf(SPOT)
    header = cphd_header(domain, origin)
    draw = np.random.default_rng(0)
    local = draw.normal(size=(2, PULSES, 3)) * 1e4
    axes = local_axes()
    table = np.zeros(PULSES, dtype=header.PVP.get_vector_dtype())
    table["TxPos"] = origin + local[0] @ axes
    table["RcvPos"] = origin + local[1] @ axes
    table["SRPPos"] = origin
    table["SC0"] = 9e9 + steps[0] * np.arange(PULSES)
    table["SCSS"] = 1e6 + steps[1] * np.arange(PULSES)
    shape = (PULSES, FREQUENCIES)
    y = (draw.normal(size=shape) + 1j * draw.normal(size=shape)).astype(np.complex64)
    writer = CPHDWriter1(str(path), meta=header)
    writer.write_file({"1": table}, {"1": y})
    writer.close()
    return y, local, 9e9 + 1e6 * np.arange(FREQUENCIES)


@sarpy
def test_cphd_in_local_metres(tmp_path):
    y, antennas, frequencies = write_cphd(tmp_path / "a.cphd")
    data = read_cphd(tmp_path / "a.cphd")
    assert data.sign == -1
    np.testing.assert_array_equal(data.y.numpy(), y)
    np.testing.assert_array_equal(data.frequencies.numpy(), frequencies)
    # ECF coordinates are rounded to 1e-9 m
    np.testing.assert_allclose(data.transmitters.numpy(), antennas[0], atol=1e-8)
    np.testing.assert_allclose(data.receivers.numpy(), antennas[1], atol=1e-8)
    legs = np.linalg.norm(antennas, axis=2).sum(0)
    np.testing.assert_allclose(data.reference_path.numpy(), legs, atol=1e-8)
    some = read_cphd(tmp_path / "a.cphd", vectors=slice(1, 4))
    np.testing.assert_array_equal(some.y.numpy(), y[1:4])
    assert torch.equal(some.transmitters, data.transmitters[1:4])


@sarpy
@pytest.mark.parametrize(
    ("kept", "message"),
    [(-8, r"bytes of signal at .* A truncated copy"), (100, "CPHD")],
    ids=["last sample missing", "header alone"],
)
def test_cphd_files_that_are_cut_off_are_refused(tmp_path, kept, message):
    write_cphd(tmp_path / "a.cphd")
    whole = (tmp_path / "a.cphd").read_bytes()
    (tmp_path / "b.cphd").write_bytes(whole[:kept])
    with pytest.raises(FileFormatError, match=message):
        read_cphd(tmp_path / "b.cphd")


@sarpy
def test_an_nitf_file_is_no_cphd_file(tmp_path):
    pytest.importorskip("sarpy")
    (tmp_path / "c.cphd").write_bytes(b"NITF02.10")
    with pytest.raises(FileFormatError, match=r"not 'CPHD/1\.'"):
        read_cphd(tmp_path / "c.cphd")


@sarpy
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "TOA"}, "domain TOA"),
        ({"steps": (5e4, 0)}, "first frequency changes by 2.5e"),
        ({"steps": (0, 1e3)}, "step by 5000 Hz"),
    ],
    ids=["times", "first frequency", "step"],
)
def test_cphd_files_without_common_frequencies_are_refused(tmp_path, options, message):
    write_cphd(tmp_path / "a.cphd", **options)
    with pytest.raises(FileFormatError, match=message):
        read_cphd(tmp_path / "a.cphd")


def write_sicd(path):
    """Write an image of 6 x 9 complex pixels about SPOT, and return it."""
    pytest.importorskip("sarpy")
    from sarpy.io.complex.sicd import SICDWriter
    from sarpy.io.complex.sicd_elements.SICD import SICDType

    corners: Any = [[40.0, -75.0], [40.0, -74.9], [39.9, -74.9], [39.9, -75.0]]
    meta = SICDType(
        CollectionInfo={
            "CollectorName": "none",
            "CoreName": "test",
            "CollectType": "MONOSTATIC",
            "Classification": "UNCLASSIFIED",
            "RadarMode": {"ModeType": "SPOTLIGHT"},
        },
        ImageData={
            "PixelType": "RE32F_IM32F",
            "NumRows": 6,
            "NumCols": 9,
            "FirstRow": 0,
            "FirstCol": 0,
            "FullImage": {"NumRows": 6, "NumCols": 9},
            "SCPPixel": {"Row": 3, "Col": 4},
        },
        GeoData={"SCP": {"LLH": list(SPOT)}, "ImageCorners": corners},
        Timeline={"CollectStart": np.datetime64("2026-01-01T00:00:00"), "CollectDuration": 1.0},
        SCPCOA={
            "SCPTime": 0.5,
            "ARPPos": [1e6, 2e6, 3e6],
            "ARPVel": [1, 2, 3],
            "SideOfTrack": "L",
            "SlantRange": 1e4,
            "GrazeAng": 30.0,
            "IncidenceAng": 60.0,
            "DopplerConeAng": 90.0,
        },
        Grid={
            "ImagePlane": "SLANT",
            "Type": "RGAZIM",
            "Row": {"SS": 0.3, "Sgn": -1},
            "Col": {"SS": 0.2, "Sgn": -1},
        },
    )
    image = (np.arange(54).reshape(6, 9) * (1 + 2j)).astype(np.complex64)
    writer = SICDWriter(str(path), meta)
    writer.write(image)
    writer.close()
    return image


@sarpy
def test_sicd_files_are_read_as_they_were_written(tmp_path):
    image = write_sicd(tmp_path / "a.nitf")
    values, grid = read_sicd(tmp_path / "a.nitf")
    np.testing.assert_array_equal(values[..., 0].numpy(), image)
    assert grid.spacing == pytest.approx((0.3, 0.2))
    centre = grid.points(torch.float64)[3, 4]  # the scene's centre point
    assert torch.allclose(centre, torch.zeros(2, dtype=torch.float64), atol=1e-12)


@sarpy
@pytest.mark.parametrize(
    ("kept", "message"),
    [(-1, "truncated"), (300, "NITF")],
    ids=["last byte missing", "header cut off"],
)
def test_sicd_files_that_are_cut_off_are_refused(tmp_path, kept, message):
    write_sicd(tmp_path / "a.nitf")
    whole = (tmp_path / "a.nitf").read_bytes()
    (tmp_path / "b.nitf").write_bytes(whole[:kept])
    with pytest.raises(FileFormatError, match=message):
        read_sicd(tmp_path / "b.nitf")


@sarpy
def test_a_cphd_file_is_no_sicd_file(tmp_path):
    pytest.importorskip("sarpy")
    (tmp_path / "b.nitf").write_bytes(b"CPHD/1.0.1")
    with pytest.raises(FileFormatError, match="NITF"):
        read_sicd(tmp_path / "b.nitf")


def test_without_sarpy_the_extra_is_named(tmp_path, monkeypatch):
    for name in [m for m in sys.modules if m.split(".")[0] == "sarpy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "a.cphd").write_bytes(b"CPHD/1.0.1")
    with warnings.catch_warnings(), pytest.raises(ImportError, match=r"inverse-inr\[radar\]"):
        read_cphd(tmp_path / "a.cphd")
