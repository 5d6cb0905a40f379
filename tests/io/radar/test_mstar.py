"""MSTAR chips, written from their layout, are read; other files are refused."""

import numpy as np
import pytest
import torch

from inverse_inr.io import FileFormatError
from inverse_inr.io.radar import read_mstar

ROWS, COLUMNS = 5, 4


def chip_bytes(native="0"):
    modulus = np.arange(1, ROWS * COLUMNS + 1, dtype=">f4").reshape(ROWS, COLUMNS)
    phase = (0.1 * modulus).astype(">f4")
    lines = [
        "[PhoenixHeaderVer01.04]",
        "PhoenixHeaderLength= {:05d}",
        f"native_header_length= {native}",
        f"NumberOfColumns= {COLUMNS}",
        f"NumberOfRows= {ROWS}",
        "MeasuredDepression= 17.03",
        "TargetType= t72_tank",
        "[EndofPhoenixHeader]",
        "",
    ]
    text = "\n".join(lines)
    text = text.format(len(text.format(0)))
    return text.encode() + modulus.tobytes() + phase.tobytes(), modulus * np.exp(1j * phase)


def test_a_chip_holds_its_image_and_header(tmp_path):
    content, expected = chip_bytes()
    (tmp_path / "HB0.015").write_bytes(content)
    chip = read_mstar(tmp_path / "HB0.015")
    assert chip.image.dtype == torch.complex64
    np.testing.assert_allclose(chip.image.numpy(), expected, rtol=1e-6)
    assert chip.number("MeasuredDepression") == 17.03
    assert chip.header["TargetType"] == "t72_tank"
    with pytest.raises(KeyError, match=r"no 'Azimuth'; it has .*MeasuredDepression"):
        chip.number("Azimuth")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (chip_bytes()[0][:-1], "A truncated copy"),
        (chip_bytes()[0][: -4 * ROWS * COLUMNS], "or moduli alone"),
        (chip_bytes(native="512")[0], "full scene"),
        (b"P5 4 4 255", "no Phoenix header"),
        (b"", "empty"),
    ],
    ids=["last byte missing", "no phases", "full scene", "another format", "empty"],
)
def test_files_that_are_no_mstar_chips_are_refused(tmp_path, bad, message):
    (tmp_path / "chip").write_bytes(bad)
    with pytest.raises(FileFormatError, match=message):
        read_mstar(tmp_path / "chip")
