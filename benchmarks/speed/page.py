"""What was measured, on which machine and when, in a page of the documentation."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

import torch

TABLES = "<!-- measured by benchmarks/speed/table.py; do not edit below -->"
"""Where the ratios to other programs and to earlier ways begin."""

CHECKOUTS = "<!-- measured by benchmarks/speed/two_checkouts.py; do not edit below -->"
"""Where the ratios to another checkout begin."""


def machine() -> str:
    """The date, the processor, its cores, the load and the version of torch, in one line."""
    name = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return (
        f"{datetime.date.today().isoformat()}, {name}, {os.cpu_count()} cores, one thread, torch "
        f"{torch.__version__}, load {os.getloadavg()[0]:.1f}"
    )


def commit(checkout: Path) -> str:
    """The commit of a checkout, and whether files differ from it."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(words, cwd=checkout, text=True, capture_output=True, check=True)
    return found.stdout.strip()


def write_below(page: Path, mark: str, lines: Sequence[str]) -> None:
    """Replace what stands between a mark and the next one, or the end of the page.

    Args:
        page: The page; a mark that it lacks is set at its end.
        mark: The mark.
        lines: What is to stand there.
    """
    before, _, after = page.read_text().partition(mark)
    following = after.find("\n<!-- measured by")
    kept = after[following:] if following >= 0 else ""
    page.write_text(before.rstrip() + "\n\n" + "\n".join([mark, "", *lines]) + "\n" + kept)
