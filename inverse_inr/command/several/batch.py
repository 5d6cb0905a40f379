"""`inverse-inr batch`: many runs, here or on a cluster, and one table of all."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from inverse_inr.command.options import Device, Overrides
from inverse_inr.command.reporting import entry, markdown_table, text_table
from inverse_inr.command.session import INTERRUPTED
from inverse_inr.command.several.planned import (
    Planned,
    Status,
    part_of,
    planned,
    shared_threads,
)
from inverse_inr.command.several.processes import Processes
from inverse_inr.command.tables import ConfigError
from inverse_inr.io.files import atomic_write

Ended = dict[Planned, tuple[Status, str]]
"""How each run ended, and in words why it failed."""


def batch(
    *configs: str,
    out: Path,
    jobs: int = 1,
    part: str | None = None,
    cluster: Annotated[
        str | None, Parameter(help="slurm, local or debug: run by submitit.")
    ] = None,
    cluster_set: Overrides = (),
    set: Overrides = (),
    device: Device = None,
) -> int:
    """Make the runs of many configs, each in a folder of its own, and one table of all.

    Repeat the command to go on: what is done is left alone, what was interrupted is resumed, what
    failed is tried again. A run that fails does not end the others; the exit status is then 1.
    Ctrl-C and SIGTERM end all runs after their step; each keeps its state.

    Parameters
    ----------
    configs
        As for run. Each run's folder is OUT/NAME of its file.
    out
        Folder of all runs; summary.md and summary.csv stand there as well.
    jobs
        Runs at a time, each a process of its own.
    part
        K/N makes every N-th run only, beginning with the K-th, for array jobs of any scheduler.
    cluster_set
        What submitit is told of each job: --cluster-set timeout_min=240 (repeat).
    """
    if not configs:
        raise ConfigError("batch: name the configs, e.g. inverse-inr batch configs/*.toml.")
    if jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got {jobs}.")
    runs = part_of(planned(configs, out, set, device), part)
    out.mkdir(parents=True, exist_ok=True)
    ended: Ended = {}
    name = "summary"
    if part is not None:
        name = f"summary-{part.replace('/', 'of')}"
    try:
        if cluster is None:
            work = here(runs, jobs)
        else:
            work = on_cluster(runs, cluster, out / "jobs", cluster_set)
        for run, how in work:
            ended[run] = how
            print(f"{run.config}: {' '.join(word for word in how if word)}", flush=True)
            write_summary(runs, ended, out, name)
    except KeyboardInterrupt:
        print("interrupted; repeat the command to go on")
        write_summary(runs, ended, out, name)
        return INTERRUPTED
    write_summary(runs, ended, out, name)
    print(f"\n{text_table(summary(runs, ended))}\n\nwritten to {out / name}.md and .csv")
    statuses = [status for status, _ in ended.values()]
    if "interrupted" in statuses:
        return INTERRUPTED
    return int("failed" in statuses)


def here(runs: Sequence[Planned], jobs: int) -> Iterator[tuple[Planned, tuple[Status, str]]]:
    """Make runs on this machine.

    Args:
        runs: The runs, which begin in this order.
        jobs: How many at a time.

    Yields:
        Each run, when it has ended, and how.
    """
    shared_threads(jobs)
    pool = ThreadPoolExecutor(jobs)
    processes = Processes()
    try:
        with processes.told():
            begun = {pool.submit(run, processes): run for run in runs}
            for future in as_completed(begun):
                yield begun[future], future.result()
    finally:
        # after Ctrl-C or SIGTERM the processes, which had it too, write what they have
        pool.shutdown(wait=True, cancel_futures=True)


def on_cluster(
    runs: Sequence[Planned], cluster: str, folder: Path, options: Sequence[str]
) -> Iterator[tuple[Planned, tuple[Status, str]]]:
    """Make runs as jobs of a cluster, which this machine hands over and waits for.

    Args:
        runs: The runs.
        cluster: submitit's word: slurm, local or debug.
        folder: Where submitit keeps its files.
        options: submitit's parameters as assignments, e.g. timeout_min=240.

    Yields:
        Each run, when it has ended, and how.

    Raises:
        ConfigError: submitit is not installed, or refuses a parameter.
    """
    try:
        import submitit  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError(
            f"--cluster {cluster} needs submitit: pip install 'inverse-inr[cluster]'."
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**_parameters(options))
    except (ValueError, TypeError, NameError, RuntimeError) as error:
        raise ConfigError(f"--cluster {cluster}: {error}") from None
    with executor.batch():
        jobs = [executor.submit(run) for run in runs]
    for run, job in zip(runs, jobs, strict=True):
        try:
            how = job.result()
        except Exception as error:  # the job was killed, or its machine was lost
            how = ("failed", f"{type(error).__name__}: {str(error).strip().splitlines()[0]}")
        yield run, how


def _parameters(options: Sequence[str]) -> dict[str, Any]:
    """Submitit's parameters: whole numbers as such, anything else as text."""
    found: dict[str, Any] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise ConfigError(f"--cluster-set {option}: write NAME=VALUE.")
        found[name] = int(value) if value.isdecimal() else value
    return found


def summary(runs: Sequence[Planned], ended: Ended) -> list[dict[str, Any]]:
    """Collect the tables of all runs.

    Args:
        runs: The runs.
        ended: How those that have ended did.

    Returns:
        One row for each run and method, with the columns of the runs' tables and the run's status;
        one row for a run that has no table.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        status, note = ended.get(run, ("waiting", ""))
        for row in run.rows() or [{"method": None}]:
            rows.append({"run": run.out.name, "status": status, **row})
            if note:
                rows[-1]["note"] = note
    columns = list(dict.fromkeys(key for row in rows for key in row))
    used = [key for key in columns if any(row.get(key) is not None for row in rows)]
    return [{key: row.get(key) for key in used} for row in rows]


def write_summary(runs: Sequence[Planned], ended: Ended, out: Path, name: str) -> None:
    """Write the table of all runs as markdown and as CSV.

    Args:
        runs: The runs.
        ended: How those that have ended did.
        out: The folder.
        name: The files' name without its end.
    """
    rows = summary(runs, ended)
    with atomic_write(out / f"{name}.md") as temporary:
        temporary.write_text(markdown_table(rows) + "\n", encoding="utf-8")
    with (
        atomic_write(out / f"{name}.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(rows[0])
        table.writerows([_plain(value) for value in row.values()] for row in rows)


def _plain(value: object) -> object:
    """A number in full, nothing as an empty field, anything else as it is printed."""
    if value is None or isinstance(value, int | float | str):
        return value
    return entry(value)
