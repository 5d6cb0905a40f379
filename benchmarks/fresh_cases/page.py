"""The page of the benchmark, written from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

Record = Mapping[str, Any]

HEAD = """# The answer without knobs, on inputs on which nothing was chosen

Written by `python benchmarks/fresh_inputs.py --page docs/benchmark.md`; not edited by hand.

Each row is one input of `benchmarks/fresh_cases/`, the mean over its seeds. "Answer" is what the
library gives without any knob. "Best simple" is the best of the simple methods, each of which saw
the same measurements and chose its own parameters from them. "Oracle" is a simple method whose
parameter the truth chose, which nobody can run on measurements. "Own simple" is a method without a
network that this library put together itself (a regression on what NL-Bayes denoised), and that the
answer may be. Losses are in bold; "warned" says that the report names a method that predicts
held-out rows better, or one that differs much and between which and the answer nothing measured
decides. Times are processor seconds of one thread on a busy machine. A section was measured on the
day that it names, or else before 30 November 2026.
"""


def write(path: Path, records: list[dict[str, Any]], day: str) -> None:
    """Write the page; of modalities without a record, a page that is there keeps its sections.

    Args:
        path: The file.
        records: The records of `fresh_inputs.py`.
        day: When they were made, e.g. "2026-11-30".
    """
    sections = _sections(path)
    for modality, unit in {(r["modality"], r["unit"]) for r in records}:
        some = [r for r in records if (r["modality"], r["unit"]) == (modality, unit)]
        sections[modality, unit] = _section(modality, some, day)
    path.write_text("\n".join([HEAD, *(sections[key] for key in sorted(sections))]))


def _sections(path: Path) -> dict[tuple[str, str], str]:
    """The sections of a page by modality and unit; none of a page that is not there."""
    if not path.exists():
        return {}
    found = {}
    for section in path.read_text().split("\n\n## ")[1:]:
        modality = section.split("\n", 1)[0]
        unit = section.split("| input | answer (", 1)[1].split(") | chosen", 1)[0]
        found[modality, unit] = f"\n## {section.rstrip()}\n"
    return found


def _section(modality: str, records: list[dict[str, Any]], day: str) -> str:
    unit = records[0]["unit"]
    gains = [_gain(r) for r in records]
    lines = [
        f"\n## {modality}\n",
        f"{day}, {len(records)} runs of {len({r['case'] for r in records})} inputs: the answer is "
        f"on average {mean(gains):+.2f} {unit} from the best simple method of each run (median "
        f"{median(gains):+.2f}, worst {min(gains):+.2f}).{_against_oracle(records, unit)}"
        f"{_against_own(records, unit)}\n",
        f"| input | answer ({unit}) | chosen | best simple | difference | {_extra(records)} "
        "| seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    names = dict.fromkeys(r["case"] for r in records)
    lines += [_row(name, [r for r in records if r["case"] == name]) for name in names]
    return "\n".join(lines) + "\n"


def _against_oracle(records: list[dict[str, Any]], unit: str) -> str:
    known = [r for r in records if r["oracle"]]
    if not known:
        return ""
    gains = [r["answer"]["score"] - _best(r["oracle"])[1] for r in known]
    return f" From the oracle: {mean(gains):+.2f} {unit} on average, worst {min(gains):+.2f}."


def _against_own(records: list[dict[str, Any]], unit: str) -> str:
    known = [r for r in records if r.get("own")]
    if not known:
        return ""
    gains = [r["answer"]["score"] - _best({**r["simple"], **r["own"]})[1] for r in known]
    return (
        f" With the library's own simple methods among them: {mean(gains):+.2f} {unit} on average, "
        f"worst {min(gains):+.2f}."
    )


def _extra(records: Sequence[Record]) -> str:
    """What stands beside the best simple method: an oracle, or the library's own simple method."""
    if records[0].get("own"):
        return "own simple"
    return "oracle"


def _row(case: str, records: list[dict[str, Any]]) -> str:
    answer = mean(r["answer"]["score"] for r in records)
    name = _best(records[0]["simple"])[0]
    simple = mean(_best(r["simple"])[1] for r in records)
    gain = f"{answer - simple:+.2f}"
    if answer < simple:
        gain = f"**{gain}**{_warned(records)}"
    kind = "own" if records[0].get("own") else "oracle"
    extra = ""
    if records[0][kind]:
        extra = f"{mean(_best(r[kind])[1] for r in records):.2f}"
    seconds = mean(r["answer"]["seconds"] for r in records)
    methods = ", ".join(sorted({r["answer"]["method"] for r in records}))
    return (
        f"| {case} | {answer:.2f} | {methods} | {simple:.2f} ({name}) | {gain} | {extra} "
        f"| {seconds:.0f} |"
    )


def _warned(records: Sequence[Record]) -> str:
    """Say whether the reports of the answers that lost had a warning."""
    lost = [r["answer"] for r in records if _gain(r) < 0]
    if all(answer["warnings"] for answer in lost):
        return ", warned"
    return ""


def _best(methods: Mapping[str, Record]) -> tuple[str, float]:
    name = max(methods, key=lambda each: methods[each]["score"])
    return name, methods[name]["score"]


def _gain(record: Record) -> float:
    return record["answer"]["score"] - _best(record["simple"])[1]
