"""Is anything slower than before? Steps of presets in two checkouts of this repository, in turns.

    git worktree add --detach /tmp/before 9ed1bab
    python benchmarks/speed/two_checkouts.py /tmp/before [--only kspace sar] [--page docs/speed.md]

One process for each checkout makes the same problem and solver, and then they make steps by turns;
single parts of the library and steps of priors follow the same way. Times are those of the
processor, of one thread; `first` is the ratio of what it took once to import, to make problem and
solver, and to warm up, of modules that are compiled. Ratios above 1: now is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from page import CHECKOUTS, commit, machine, write_below
from steps_of import PARTS
from timing import Turn, ratio_of

PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "ct": ("hash", {"name": "ct", "size": 64, "views": 30}),
    "kspace": ("grid", {"name": "kspace", "size": 64}),
    "cassi": ("hash", {"name": "cassi", "size": 64}),
    "sar": ("phased", {"name": "sar"}),
    "fmcw": ("grid", {"name": "fmcw"}),
    "slices_simulated": ("hash", {"name": "simulated_slices"}),
    "inpaint": ("siren", {"name": "inpaint", "image": "cat", "crop": 96}),
    "deblur": ("grid", {"name": "deblur", "image": "cat", "crop": 96}),
    "super_resolution": ("hash", {"name": "super_resolution", "image": "cat", "crop": 96}),
    "single_pixel": ("grid", {"name": "single_pixel", "crop": 64}),
    "boundary_value": ("siren", {"name": "boundary_value"}),
    "register": ("siren", {"name": "register"}),
    "audio": ("siren", {"name": "audio"}),
}
"""For each preset a prior, and keywords of the problem, small enough for a minute.

A fit is by Adam and without regularizers, whatever a checkout suggests."""

PRIORS = ("siren", "hash", "grid", "wire", "sinc", "raised_cosine", "pin", "cosmo", "acorn")
"""Priors whose step on 16,384 points is measured too."""


BYTECODE = Path(__file__).parents[2] / "build" / "bytecode"
"""Where compiled modules are kept, so that `first` is not the time to compile sources."""


def environment_of(checkout: Path) -> dict[str, str]:
    """The environment of a process that imports a checkout, compiled beforehand."""
    own = {
        "PYTHONPATH": str(checkout.resolve()),
        "OMP_NUM_THREADS": "1",
        "PYTHONPYCACHEPREFIX": str(BYTECODE),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return os.environ | own


def compile_sources(checkout: Path) -> None:
    """Compile what a checkout imports, and what it imports of other packages."""
    rooms = ["inverse_inr", "operators", "problems"]
    command = [sys.executable, "-m", "compileall", "-q", *rooms]
    subprocess.run(command, cwd=checkout, env=environment_of(checkout), check=False)
    command = [sys.executable, "-c", "import torch._dynamo, scipy.sparse, pydantic"]
    subprocess.run(command, cwd=checkout, env=environment_of(checkout), check=False)


class Worker:
    """A process that has one checkout imported and answers one line of JSON with another."""

    def __init__(self, checkout: Path) -> None:
        environment = environment_of(checkout)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "steps_of.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=checkout,
        )

    def ask(self, **question: Any) -> dict[str, Any]:
        """Send a question and wait for its answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"ended with status {self.process.wait()}")
        found = json.loads(answer)
        if "failed" in found:
            raise RuntimeError(found["failed"])
        return found

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def compared(name: str, now: Path, before: Path, turns: int) -> str:
    """Measure one preset, prior or part: a line of the table."""
    question: dict[str, Any] = {"prior": name}
    if name in PRESETS:
        fit, problem = PRESETS[name]
        question = {"problem": problem, "fit": fit}
    elif name in PARTS:
        question = {"part": name}
    workers = [Worker(checkout) for checkout in (now, before)]
    try:
        made = [worker.ask(**question) for worker in workers]
        # as many steps a turn as take a quarter of a second of the slower one
        slower = max(worker.ask(steps=1)["processor"] for worker in workers)
        steps = max(1, round(0.25 / max(slower, 1e-4)))
        found = [[worker.ask(steps=steps) for worker in workers] for _ in range(turns)]
    except RuntimeError as error:
        return f"| {name} | {error} | | | | |"
    finally:
        for worker in workers:
            worker.close()
    ratio = ratio_of([(_turn(ours, steps), _turn(theirs, steps)) for ours, theirs in found])
    kind = made[0]["kind"]
    first = made[1]["processor"] / made[0]["processor"]
    return (
        f"| {name} ({kind}) | {ratio.ours:.3g} | {ratio.theirs:.3g} | {ratio.value:.2f} "
        f"| {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}) | {first:.2f} |"
    )


def _turn(answer: dict[str, Any], steps: int) -> Turn:
    return answer["processor"] / steps, answer["clock"] / steps


def main() -> None:
    """Measure, print, and write below the page's mark where a page is given."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("--now", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--only", nargs="*", default=[*PARTS, *PRESETS, *PRIORS])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--page", type=Path)
    words = parser.parse_args()
    names = [commit(checkout) for checkout in (words.now, words.before)]
    lines = [
        "## Beside an earlier checkout",
        "",
        f"{machine()}: {names[0]} beside {names[1]}",
        "",
        "| | now (ms a step) | before | ratio of least | median (spread) | first |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for checkout in (words.now, words.before):
        compile_sources(checkout)
    for name in words.only:
        lines.append(compared(name, words.now, words.before, words.turns))
        print(lines[-1], flush=True)
        if words.page is not None:
            write_below(words.page, CHECKOUTS, lines)


if __name__ == "__main__":
    main()
