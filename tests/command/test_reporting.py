"""Tables and pictures that the commands share."""

import json
import math

import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.command import cli
from inverse_inr.command.reporting import (
    Spread,
    display_range,
    markdown_table,
    picture,
    spread,
    text_table,
)


@pytest.mark.parametrize(
    ("mean", "std", "text"),
    [
        (31.2371, 0.152, "31.24 ± 0.15"),
        (0.52134, 0.00213, "0.5213 ± 0.0021"),
        (1203.4, 12.3, "1203 ± 12"),
        (2415.0, 390.4, "2415 ± 390"),
        (95.14, 0.0, "95.14"),
        (61.6543, 0.000011, "61.65"),
        (0.0, 0.0, "0"),
        (1e-7, 2e-8, "1e-07 ± 2e-08"),
        (math.nan, math.nan, "nan ± nan"),
        (math.inf, math.nan, "inf ± nan"),
    ],
)
def test_a_spread_shows_the_digits_that_mean_something(mean, std, text):
    assert str(Spread(mean, std)) == text


def test_repetitions_become_one_entry():
    assert spread([]) is spread([None, None]) is None
    assert spread([1.5, None]) == 1.5
    assert spread([7, 7, 7]) == 7
    deviation = math.sqrt((1.5**2 + 0.5**2 + 2.0**2) / 2)
    assert spread([1.0, 2.0, 4.5]) == Spread(2.5, pytest.approx(deviation))


def test_tables_as_text_and_markdown_align_and_escape():
    rows = [
        {"method": "a", "PSNR": 30.25, "note": None},
        {"method": "long", "PSNR": Spread(9.0, 0.5), "note": "x | y"},
    ]
    assert text_table(rows).splitlines() == [
        "method         PSNR  note",
        "------  -----------  -----",
        "a             30.25",
        "long    9.00 ± 0.50  x | y",
    ]
    assert markdown_table(rows).splitlines() == [
        "| method | PSNR | note |",
        "| --- | ---: | --- |",
        "| a | 30.25 |  |",
        "| long | 9.00 ± 0.50 | x \\| y |",
    ]
    again = [{"PSNR": {"mean": 9.0, "std": 0.5}}]  # as JSON gives it back
    assert text_table(again).splitlines()[-1] == "9.00 ± 0.50"


def test_any_kind_of_image_is_shown():
    """A volume is shown by its middle slice across the shortest axis.

    Channels are shown by their mean, and complex values by their modulus.
    """
    grid = Grid(Box((0, 0, 0), (4, 1, 2)), (4, 3, 2))
    values = torch.arange(48.0).reshape(4, 3, 2, 2)
    assert torch.equal(picture(values, grid), values.mean(-1)[:, 1])
    assert torch.equal(picture(1j * values, grid), values.mean(-1)[:, 1])
    assert picture(torch.zeros(5, 1), Grid(Box((0,), (1,)), (5,))) is None
    outliers = torch.tensor([1e6, math.nan])
    low, high = display_range(torch.cat([torch.linspace(0, 1, 5000), outliers]))
    assert 0 <= low < 0.01
    assert 0.99 < high < 1.1
    assert display_range(torch.ones(4)) is None


def test_a_figure_and_its_table_say_one_psnr(tmp_path, monkeypatch):
    """In a photograph's preset too, whose figure took another range: 0.86 dB more."""
    drawn = []
    monkeypatch.setattr(
        "inverse_inr.command.runs.save_figure", lambda figure, path: drawn.append(figure)
    )
    tables = {
        "problem": {"name": "denoise", "crop": 24, "image": "cat"},
        "prior": {"name": "grid"},
        "solver": {"steps": 1},
    }
    path = tmp_path / "small.toml"
    path.write_text("".join(f"[{k}]\n{_lines(t)}" for k, t in tables.items()))
    cli.run(path, out=tmp_path / "out")
    rows = json.loads((tmp_path / "out" / "table.json").read_text())
    titles = [ax.get_title() for ax in drawn[-1].axes]
    for row in rows:
        assert f"{row['method']}\nPSNR {row['PSNR']:.2f} dB" in titles
    assert drawn[-1].get_supxlabel().startswith("PSNR: 20 log10(span of the truth")


def _lines(table: dict) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
