"""Writes the numbers of `docs/explanation/where_inrs_help.md` again from `docs/benchmark.md`.

    python docs/making/copied_means.py

A test asks that they agree.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "explanation" / "where_inrs_help.md"
TABLE = DOCS / "benchmark.md"

SECTIONS = {
    "tomography": ("ct", "dB"),
    "volumes from cone beams": ("cone", "dB"),
    "inpainting": ("inpainting", "dB"),
    "one spectral snapshot": ("cassi", "dB"),
    "k-space": ("kspace", "dB"),
    "snapshot video": ("video", "dB"),
    "single pixel": ("single_pixel", "dB"),
    "slices that moved": ("slices", "dB"),
    "super-resolution": ("super_resolution", "dB"),
    "deblurring": ("deblurring", "dB"),
    "fusion of a coarse cube with colours": ("fusion", "dB"),
    "denoising": ("denoising", "dB"),
    "spectra from three colours": ("rgb", "dB"),
    "radar points and surfaces": ("radar", "-Chamfer, voxels"),
}
"""The benchmark's section and unit by the page's names of tasks."""

ROW = re.compile(r"^\| ([^|]+?) \| (\d+) \| [^|]+ \| [^|]+ \|", re.MULTILINE)
SAID = re.compile(
    r"^(?:[\d-]+, )?(?P<runs>\d+) runs of .* on average (?P<mean>[+-][\d.]+) (?P<unit>.+?) "
    r"from the best simple method of each run \(.*worst (?P<worst>[+-][\d.]+\d)\)"
    r"(?:.*own simple methods among them: (?P<own_mean>[+-][\d.]+) .*worst "
    r"(?P<own_worst>[+-][\d.]+\d))?",
    re.MULTILINE,
)
"""A gain over the library's own simple methods is what a network adds, where the page has it."""


def measured(table: str) -> dict[tuple[str, str], re.Match[str]]:
    """What the benchmark's page says of each section and unit."""
    parts = re.split(r"^## (.+)$", table, flags=re.MULTILINE)
    found = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        for said in SAID.finditer(text):
            found[name, said["unit"]] = said
    return found


def renewed(page: str, table: str) -> str:
    """The page with the numbers of the benchmark's page.

    Raises:
        KeyError: The page has a task that is not in `SECTIONS`, or the benchmark lacks its section.
    """
    found = measured(table)

    def row(old: re.Match[str]) -> str:
        said = found[SECTIONS[old[1]]]
        unit = " voxels" if "voxels" in said["unit"] else ""
        gained = said["own_mean"] or said["mean"]
        worst = said["own_worst"] or said["worst"]
        numbers = (said["runs"], gained + unit, worst + unit)
        return f"| {old[1]} | {' | '.join(numbers)} |"

    return ROW.sub(row, page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(), TABLE.read_text()))
