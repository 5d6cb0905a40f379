"""Runs and comparisons taken to their end, from wherever they stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from inverse_inr.command.answering import begin, decides
from inverse_inr.command.comparison import Comparison
from inverse_inr.command.config import Run
from inverse_inr.command.folder import RECORD, read_json, remove_orphans
from inverse_inr.command.reporting import notes_of, text_table, write_json
from inverse_inr.command.runs import Unfinished, print_notes
from inverse_inr.command.sureness import write_deviation
from inverse_inr.command.tables import Table
from inverse_inr.solver import Callback, Progress


def go_on(
    out: Path,
    record: Table,
    checked: Run,
    watching: Callable[[], list[Callback]] = list,
) -> None:
    """Take an interrupted run or comparison to its end.

    Args:
        out: Its folder, as an absolute path.
        record: What the folder's config.json holds.
        checked: Its config.
        watching: Makes what draws a fit of a run while it goes on.

    Raises:
        Unfinished: Ctrl-C was pressed again.
    """
    remove_orphans(out)
    if "priors" in record:
        fill(
            Comparison(
                checked,
                record["priors"],
                out,
                record["seeds"],
                record["options"],
                partial(Progress, always=True),
                record["command"],
                record.get("together", False),
            )
        )
        return
    if decides(checked.tables):
        if record.get("finished") is True:
            print(text_table(read_json(out / "table.json")))
            return
    elif not (out / "state.pt").exists():
        print(f"{out} has no checkpoint yet (state.pt): the run begins at its first step")
    begin(checked, out, resumed=True, watching=watching)()
    if record.get("uncertainty") is not None:
        write_deviation(checked, out)
    write_json(out / RECORD, {**record, "finished": True})


def fill(comparison: Comparison) -> None:
    """Make all cells of a comparison that are not there; print and write its table.

    Args:
        comparison: The comparison, whose folder is claimed.

    Raises:
        Unfinished: Ctrl-C was pressed; what is done is kept.
    """
    print_notes(comparison.first)
    try:
        for cell in comparison.cells():
            print(cell)
    except KeyboardInterrupt:
        raise Unfinished(f"interrupted; what is done is in {comparison.out}.") from None
    comparison.write()
    comparison.finish()
    rows = comparison.table()
    print(f"\n{text_table(rows)}\n\n{notes_of(rows)}\nwritten to {comparison.out}/")
