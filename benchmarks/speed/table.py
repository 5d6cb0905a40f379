"""One table of ratios: this library beside ASTRA, scikit-image, finufft, scipy and bare loops.

    make bench
    python benchmarks/speed/table.py [--seconds 1] [--page docs/speed.md]

The second table has the library beside its own earlier ways. Times are processor time of one
thread, the least of many turns that both sides take alternately; the spread is the tenth and the
ninetieth percentile of the ratios of single turns. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import changes
import peers
from timing import compared

MARK = "<!-- measured by benchmarks/speed/table.py; do not edit below -->"
"""Where the measured part of the page begins."""


def machine() -> str:
    """The processor, its cores, the load, the date and the version of torch, in one line."""
    name = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    today = datetime.date.today().isoformat()
    load = os.getloadavg()[0]
    return (
        f"{today}, {name}, {os.cpu_count()} cores, one thread, torch {torch.__version__}, "
        f"load {load:.1f}"
    )


def table(pairs: Iterable[peers.Pair], other: str, seconds: float) -> list[str]:
    """Measure all pairs: the lines of a markdown table.

    Args:
        pairs: What is compared.
        other: The head of the column of what it is compared with.
        seconds: How long the turns of a pair may take.
    """
    lines = [
        f"| | {other} | ours (ms) | theirs (ms) | ratio | spread |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        print(line)
    for words, peer, ours, theirs in pairs:
        found = compared(ours, theirs, seconds)
        lines.append(
            f"| {words} | {peer} | {found.ours:.3g} | {found.theirs:.3g} | "
            f"{found.value:.2f} | {found.low:.2f} to {found.high:.2f} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Measure both tables and print them; with --page, write them at the page's end too."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--page", type=Path)
    words = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    where = machine()
    print(where)
    found = [MARK, "", where, "", "Beside other programs (ratio: their time over ours):", ""]
    found += table(peers.all_pairs(), "compared with", words.seconds)
    found += ["", "Beside the library's own earlier ways (ratio: before over now):", ""]
    found += table(changes.all_pairs(), "before", words.seconds)
    now, before = changes.fan_memory()
    memory = f"Memory while the matrix of a fan is made: {now:.0f} MB, before {before:.0f} MB."
    print(memory)
    found += ["", memory]
    if words.page is not None:
        kept = words.page.read_text().split(MARK)[0].rstrip()
        words.page.write_text(kept + "\n\n" + "\n".join(found) + "\n")


if __name__ == "__main__":
    main()
