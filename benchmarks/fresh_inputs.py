"""The answer without knobs beside the simple methods, on inputs on which nothing was chosen.

    python benchmarks/fresh_inputs.py [--modality ct kspace ...] [--seeds 3] [--only WORDS]
                                      [--out fresh_inputs.jsonl] [--page docs/benchmark.md]

Every case of `benchmarks/fresh_cases/` is made with each seed, answered by `ii.solve(problem)` with
no other argument, and by the simple methods, which see the same measurements and choose their own
parameters from them. Each result is appended to the file as soon as it is there; what the file has
is not measured again. The page is written from the file, losses included; of what the file has
not, it keeps its sections.

Times are processor time of one thread.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
import fresh_cases
from fresh_cases.case import Case, Method

import inverse_inr as ii


def modalities() -> list[str]:
    """The modules of `fresh_cases` that have cases."""
    names = [module.name for module in pkgutil.iter_modules(fresh_cases.__path__)]
    return [name for name in names if name not in ("case", "page", "photographs")]


def measure(case: Case, seed: int) -> dict[str, Any]:
    """Answer one case with one seed by all its methods."""
    problem = case.make(seed)
    record: dict[str, Any] = {"case": case.name, "seed": seed, "unit": case.unit}
    record["answer"] = _timed(case, problem, case.answer)
    record["simple"] = _all(case, problem, case.simple)
    record["own"] = _all(case, problem, case.own)
    record["oracle"] = _all(case, problem, case.oracle)
    return record


def _all(case: Case, problem: ii.Problem, methods: Mapping[str, Method]) -> dict[str, Any]:
    return {name: _timed(case, problem, method) for name, method in methods.items()}


def _timed(case: Case, problem: ii.Problem, method: Method) -> dict[str, Any]:
    """Score, seconds of the processor, held-out misfit and warnings of one method."""
    began = time.process_time()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answer = method(problem)
    seconds = time.process_time() - began
    return {
        "score": case.score(answer),
        "seconds": seconds,
        "method": answer.method,
        "warnings": [str(each.message) for each in told] + answer.details.get("warnings", []),
    }


def missing(
    path: Path, chosen: list[str], seeds: int, only: str
) -> Iterator[tuple[str, Case, int]]:
    """The cases and seeds that the file has no record of."""
    known = {(r["modality"], r["case"], r["seed"]) for r in records(path)}
    for modality in chosen:
        for case in importlib.import_module(f"fresh_cases.{modality}").cases():
            for seed in range(seeds):
                if only in case.name and (modality, case.name, seed) not in known:
                    yield modality, case, seed


def records(path: Path) -> list[dict[str, Any]]:
    """The records of a file, none if there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    """Measure what is missing, and write the page."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--modality", nargs="*", default=None, choices=modalities())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="measure cases with these words in their name")
    parser.add_argument("--out", type=Path, default=Path("fresh_inputs.jsonl"))
    parser.add_argument("--page", type=Path, default=None)
    words = parser.parse_args()
    torch.set_num_threads(1)
    for modality, case, seed in missing(
        words.out, words.modality or modalities(), words.seeds, words.only
    ):
        record = {"modality": modality, **measure(case, seed)}
        with words.out.open("a") as file:
            file.write(json.dumps(record) + "\n")
        best = max(record["simple"].items(), key=lambda item: item[1]["score"])
        print(
            f"{modality:12} {case.name:44} seed {seed}: {record['answer']['score']:6.2f} "
            f"({record['answer']['seconds']:.0f} s, {record['answer']['method']}); "
            f"{best[0]} {best[1]['score']:6.2f}",
            flush=True,
        )
    if words.page is not None:
        from fresh_cases.page import write

        write(words.page, records(words.out), time.strftime("%Y-%m-%d"))


if __name__ == "__main__":
    main()
