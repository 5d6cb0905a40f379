"""SICD images as sarpy writes them are read back; damaged ones are refused."""

from typing import Any

import numpy as np
import pytest
import torch
from cases.cphd import SPOT

from inverse_inr.io import FileFormatError, read_sicd

sarpy = pytest.mark.filterwarnings("ignore::DeprecationWarning")


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
