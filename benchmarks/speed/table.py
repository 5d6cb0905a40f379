"""One table of ratios: this library beside ASTRA, scikit-image, finufft, scipy and bare loops.

    make bench
    python benchmarks/speed/table.py [--seconds 1] [--page docs/speed.md] [--only fan] [--afresh]

The second table has the library beside its own earlier ways, the third is of memory. Times are
those of the processor, of one thread, the least of turns that both sides take alternately; median
and spread (a tenth and nine tenths) are of the ratios of single turns.

Each row is kept in `build/speed.json` as soon as it is measured, and a row that fails says so. What
was measured on the same day at the same commit is not measured again, so that a run that was cut
off goes on where it ended. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import changes
import memory
import peers
from page import TABLES, commit, machine, write_below
from timing import compared

ROOT = Path(__file__).parents[2]

HEADS = {
    "Beside other programs (ratio: their time over ours)": "compared with",
    "Beside the library's own earlier ways (ratio: before over now)": "before",
}


class Records:
    """Rows that were measured today at this commit, in a file.

    Args:
        path: The file; it need not be there.
        afresh: Forget what is in it.
    """

    def __init__(self, path: Path, afresh: bool) -> None:
        self.path = path
        self.stamp = f"{datetime.date.today().isoformat()} {commit(ROOT)}"
        self.rows: dict[str, str] = {}
        if path.exists() and not afresh:
            kept = json.loads(path.read_text())
            if kept["stamp"] == self.stamp:
                self.rows = kept["rows"]

    def add(self, name: str, row: str) -> None:
        """Keep a row, and say it."""
        print(row, flush=True)
        self.rows[name] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"stamp": self.stamp, "rows": self.rows}, indent=1))


def row(pair: peers.Pair, seconds: float) -> str:
    """Measure a pair: its line of the table."""
    words, peer, ours, theirs = pair
    try:
        found = compared(ours, theirs, seconds)
    except Exception as error:  # the other rows are worth having
        return f"| {words} | {peer} | {failure(error)} | | | | |"
    return (
        f"| {words} | {peer} | {found.ours:.3g} | {found.theirs:.3g} | {found.value:.2f} | "
        f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f}) | {found.clock:.2f} |"
    )


def failure(error: Exception) -> str:
    """An error in the words of a table."""
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())[:80]}"


def pairs(family: changes.Family) -> Iterator[peers.Pair]:
    """The pairs of a family, up to the first that cannot be made."""
    made = family()
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pair = next(made)
        except StopIteration:
            return
        except Exception as error:  # the other families are worth having
            print(f"left out: {family.__name__}, {failure(error)}")
            return
        yield pair


def tables(records: Records, seconds: float, only: str) -> list[str]:
    """Measure what is not recorded: the lines of all tables."""
    lines: list[str] = []
    for (head, other), module in zip(HEADS.items(), (peers, changes), strict=True):
        lines += ["", f"{head}:", ""]
        lines += [f"| | {other} | ours (ms) | theirs (ms) | ratio | median (spread) | by clock |"]
        lines += ["|---|---|---|---|---|---|---|"]
        for pair in itertools.chain.from_iterable(pairs(f) for f in module.FAMILIES):
            name = f"{pair[0]}, beside {pair[1]}"
            if name not in records.rows and only in name:
                records.add(name, row(pair, seconds))
            if name in records.rows:
                lines.append(records.rows[name])
    lines += ["", "Memory (MB, the most that was held beside what was there before):", ""]
    lines += ["| | now | before | ratio |", "|---|---|---|---|"]
    for name, measure in memory.ROWS.items():
        if name not in records.rows and only in name:
            try:
                now, before = measure()
                text = f"| {name} | {now:.0f} | {before:.0f} | {before / now:.1f} |"
            except Exception as error:  # as above
                text = f"| {name} | {failure(error)} | | |"
            records.add(name, text)
        if name in records.rows:
            lines.append(records.rows[name])
    return lines


def main() -> None:
    """Measure all tables and print them; with --page, write them into the page too."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="about, for each row")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--only", default="", help="rows whose name has these letters")
    parser.add_argument("--afresh", action="store_true", help="measure what is recorded too")
    words = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    records = Records(ROOT / "build" / "speed.json", words.afresh)
    lines = ["## Beside other programs and earlier ways", "", f"{machine()}, commit {commit(ROOT)}"]
    print(lines[-1])
    lines += tables(records, words.seconds, words.only)
    if words.page is not None:
        write_below(words.page, TABLES, lines)


if __name__ == "__main__":
    main()
