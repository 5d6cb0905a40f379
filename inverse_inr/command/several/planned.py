"""One run of a batch: its config, its folder, and what a process of its own makes of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inverse_inr.command.code import with_absolute_code
from inverse_inr.command.folder import RECORD, read_json, read_record
from inverse_inr.command.presets import find_config
from inverse_inr.command.session import INTERRUPTED, use_device
from inverse_inr.command.several.processes import Processes
from inverse_inr.command.tables import ConfigError, Table, anywhere, override

Status = Literal["done", "begun", "new", "failed", "interrupted"]


@dataclass(frozen=True)
class Planned:
    """One run of a batch.

    Args:
        config: A TOML file, the name of a preset or problem, or `my_file.py:problem`.
        out: The run's folder.
        overrides: Assignments as `--set` takes them.
        device: As for `run`; None for the config's own.
    """

    config: str
    out: Path
    overrides: tuple[str, ...] = ()
    device: str | None = None

    @property
    def log(self) -> Path:
        """The file beside the folder that takes what the run prints."""
        return self.out.with_name(f"{self.out.name}.log")

    def status(self) -> Status:
        """Say how far the run is, by what its folder holds.

        Raises:
            ConfigError: The folder holds a run of another config.
        """
        if not (self.out / RECORD).exists():
            return "new"
        record = read_record(self.out)
        if "priors" in record or not _same(record["config"], self._tables()):
            raise ConfigError(f"{self.out} holds the run of another config. Choose another --out.")
        if record.get("finished") is True:
            return "done"
        return "begun"

    def _tables(self) -> Table:
        tables, _ = find_config(self.config)
        override(tables, self.overrides)
        use_device(tables, self.device)
        return with_absolute_code(tables)

    def words(self) -> list[str]:
        """The command that makes or continues the run.

        Raises:
            ConfigError: As `status` does.
        """
        words = [sys.executable, "-m", "inverse_inr"]
        if self.status() == "begun":
            return [*words, "resume", str(self.out)]
        words += ["run", self.config, "--out", str(self.out)]
        for assignment in self.overrides:
            words += ["--set", assignment]
        if self.device is not None:
            words += ["--device", self.device]
        return words

    def __call__(self, processes: Processes | None = None) -> tuple[Status, str]:
        """Make the run in a process of its own, or continue it; one that is done is left alone.

        Args:
            processes: Those of all runs at work; None where this is the only one.

        Returns:
            Its status, and in words why it failed.
        """
        try:
            if self.status() == "done":
                return "done", ""
            words = self.words()
        except (ValueError, OSError, TypeError) as error:
            return "failed", str(error)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        code = (processes or Processes()).run(words, self.log)
        if code == 0:
            return "done", ""
        if code in (INTERRUPTED, -2, -15):
            return "interrupted", ""
        return "failed", self._last_words(code)

    def _last_words(self, code: int) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("inverse-inr: ")]
        if said:
            return said[-1].removeprefix("inverse-inr: ")
        return f"exit status {code}; see {self.log}"

    def checkpoint(self) -> Any:
        """Begin again where the run is when a cluster takes the machine away (submitit's hook)."""
        from submitit.helpers import DelayedSubmission  # pyright: ignore[reportMissingImports]

        return DelayedSubmission(self)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the run's table so far; none where it has no table."""
        try:
            rows = read_json(self.out / "table.json")
        except (OSError, ValueError):
            return []
        if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            return []
        return rows


def _same(mine: Table, other: Table) -> bool:
    """Whether two configs are of one run; the device does not count."""
    return anywhere(mine) == anywhere(other)


def planned(
    configs: Sequence[str], out: Path, overrides: Sequence[str], device: str | None
) -> list[Planned]:
    """Give each config a folder of its own, named as its file.

    Args:
        configs: The configs.
        out: The folder of all runs.
        overrides: Assignments for all of them.
        device: The device of all of them; None for their own.

    Raises:
        ConfigError: Two configs would have one folder.
    """
    found: dict[str, str] = {}
    runs = []
    for config in configs:
        name = re.sub(r"[^\w.-]", "_", Path(config).name.removesuffix(".toml"))
        if name in found:
            raise ConfigError(
                f"{found[name]} and {config} would both be the run {out / name}. Rename one."
            )
        found[name] = config
        runs.append(Planned(config, out / name, tuple(overrides), device))
    return runs


def part_of(runs: Sequence[Planned], part: str | None) -> list[Planned]:
    """Take every n-th run: "2/5" is the second of five parts.

    Args:
        runs: All runs.
        part: The part, or None for all.

    Raises:
        ConfigError: It is none.
    """
    if part is None:
        return list(runs)
    match = re.fullmatch(r"(\d+)/(\d+)", part)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(f"--part {part}: write K/N, from 1/N to N/N.")
    return list(runs[int(match[1]) - 1 :: int(match[2])])


def shared_threads(jobs: int) -> None:
    """Let the processes of several jobs share the cores, unless the environment says otherwise.

    Args:
        jobs: How many run at a time.
    """
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
