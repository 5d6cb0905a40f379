"""Runs that are killed, cut off from the disk or disturbed, each in a process of its own.

    python killing.py SCENARIO FOLDER

A process imports the library once and forks for every run, which saves seconds each. It prints what
happened as JSON; `tests/command/test_killed.py` judges it.
"""

import contextlib
import io
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file

from inverse_inr.command import cli, runs
from inverse_inr.solver import checkpoint

CONFIG = """
[problem]
name = "ct"
size = 16
views = 8

[prior]
name = "grid"

[stopping]
name = "held_out"
every = 10

[baselines]
names = ["FBP", "CGLS"]

[solver]
steps = 30
batch = 32
"""
FILES = ("image.npz", "baseline-FBP.npz", "baseline-CGLS.npz")
Hook = Callable[[], None]


def nothing() -> None:
    """Disturb nothing."""


def child(work: Callable[[], int], log: Path, hook: Hook = nothing) -> int:
    """Fork a process that works, and give its id; its output is appended to a file."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            quicken()
            hook()
            cli.app = work
            cli.main()
            status = 0
        except SystemExit as ended:
            if isinstance(ended.code, str):
                print(ended.code)
            else:
                status = ended.code or 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    with log.open("a") as file:
        file.write(said.getvalue())
    os._exit(status)


def quicken() -> None:
    """Take a checkpoint at every opportunity, and draw no figure, which takes longer than a fit."""
    runs.Checkpoint = partial(checkpoint.Checkpoint, seconds=0.0, first=0.0)
    checkpoint.SHARE = float("inf")
    runs.figure_of = lambda *_: Figure(figsize=(1, 1))


def imported(folder: Path) -> None:
    """Run once, so that all that is imported late is there before processes are forked."""
    (folder / "small.toml").write_text(CONFIG)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        quicken()
        cli.run(str(folder / "small.toml"), out=folder / "warm")


def status_of(pid: int) -> int:
    """Wait for a process: its exit status, or less than 0 for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def begin(config: Path, out: Path) -> Callable[[], int]:
    return lambda: sys.exit(cli.run(str(config), out=out))


def go_on(out: Path) -> Callable[[], int]:
    return lambda: sys.exit(cli.resume(out))


def outcome(out: Path) -> dict:
    """All that a run leaves, but for the clock; bytes as text."""
    found = {name: (out / name).read_bytes().hex() for name in FILES}
    weights = load_file(out / "field.safetensors")
    found["weights"] = {name: value.numpy().tobytes().hex() for name, value in weights.items()}
    history = json.loads((out / "history.json").read_text())
    found["history"] = [{k: v for k, v in r.items() if k != "seconds"} for r in history["history"]]
    rows = json.loads((out / "table.json").read_text())
    found["table"] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    found["figure"] = (out / "figure.png").stat().st_size > 0
    return found


def hidden(out: Path) -> list[str]:
    return [path.name for path in out.iterdir() if path.name.startswith(".")]


def die_in_write(at: int) -> Hook:
    """Die when half of the n-th checkpoint is on the disk."""
    save = torch.save
    count = 0

    def cut(state: object, file: object) -> None:
        nonlocal count
        count += 1
        if count < at:
            save(state, file)
            return
        whole = io.BytesIO()
        save(state, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    def hook() -> None:
        checkpoint.torch.save = cut

    return hook


def die_before_rename(at: int) -> Hook:
    """Die when the n-th file is written whole under its temporary name."""
    replace = Path.replace
    count = 0

    def cut(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    def hook() -> None:
        Path.replace = cut

    return hook


def after_death(config: Path, out: Path, log: Path) -> int:
    """Go on as a user would: resume, or begin again where nothing was there to resume."""
    work = go_on(out) if (out / "config.json").exists() else begin(config, out)
    return status_of(child(work, log))


def killed(folder: Path) -> dict:
    """Twenty deaths: at random moments, inside writes, before renames. Each run then goes on."""
    config, log = folder / "small.toml", folder / "log"
    began = time.monotonic()
    status_of(child(begin(config, folder / "whole"), log))
    length = time.monotonic() - began
    whole = outcome(folder / "whole")
    drawn = random.Random(0)
    deaths = []
    for k in range(20):
        out = folder / f"run-{k}"
        if k < 8:
            pid = child(begin(config, out), log)
            time.sleep(drawn.uniform(0.02, 0.95) * length)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        elif k < 14:
            pid = child(begin(config, out), log, die_in_write(drawn.randint(1, 30)))
        else:
            pid = child(begin(config, out), log, die_before_rename(drawn.randint(1, 45)))
        died = status_of(pid)
        (folder / f"mine-{k}").write_text("mine")
        status = after_death(config, out, log)
        same = status == 0 and outcome(out) == whole
        deaths.append({"died": died, "status": status, "same": same, "left": hidden(out)})
    beside = sorted(path.name for path in folder.iterdir())
    return {"deaths": deaths, "beside": beside, "log": log.read_text()}


def full_disk(folder: Path) -> dict:
    """No file may grow beyond a limit, as on a full disk; then there is room again."""
    config = folder / "small.toml"
    status_of(child(begin(config, folder / "whole"), folder / "log"))
    whole = outcome(folder / "whole")
    cases = []
    for limit in (900, 6_000):
        out, log = folder / f"run-{limit}", folder / f"log-{limit}"
        hook = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, -1))
        status = status_of(child(begin(config, out), log, hook))
        resumed = status_of(child(go_on(out), folder / "log"))
        same = outcome(out) == whole
        said = log.read_text()
        cases.append({"status": status, "resumed": resumed, "same": same, "said": said})
    return {"cases": cases}


def two_at_once(folder: Path) -> dict:
    """A second run comes to a folder where the first is working; then the first is told to end."""
    config, log, second = folder / "small.toml", folder / "log", folder / "second"
    status_of(child(begin(config, folder / "whole"), log))
    out = folder / "out"
    first = child(begin(config, out), log, slow)
    while not (out / "state.pt").exists():
        time.sleep(0.01)
    refused = status_of(child(begin(config, out), second))
    resumed = status_of(child(go_on(out), second))
    forced = status_of(child(lambda: sys.exit(cli.run(str(config), out=out, force=True)), second))
    os.kill(first, signal.SIGTERM)
    ended = status_of(first)
    waited = status_of(child(go_on(out), log))
    return {
        "pid": first,
        "refused": [refused, resumed, forced],
        "said": second.read_text(),
        "ended": ended,
        "resumed": waited,
        "same": outcome(out) == outcome(folder / "whole"),
        "log": log.read_text(),
    }


def slow() -> None:
    """Let each step take a while."""
    step = runs.Solver.step

    def slowly(self: runs.Solver) -> torch.Tensor:
        time.sleep(0.1)
        return step(self)

    runs.Solver.step = slowly


if __name__ == "__main__":
    torch.set_num_threads(1)
    scenarios = {"killed": killed, "full_disk": full_disk, "two_at_once": two_at_once}
    imported(Path(sys.argv[2]))
    print(json.dumps(scenarios[sys.argv[1]](Path(sys.argv[2]))))
