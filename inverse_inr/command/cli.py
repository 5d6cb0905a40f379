"""The command line: run, train, compare, resume, batch, show, view, list, new, check, export.

The rooms bring verbs of their own: encode, decode, learn-labels, segment, quality.
Exit status: 0 done, 1 an error told in one line, 130 interrupted by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import shlex
import sys
import warnings
from functools import partial
from pathlib import Path

from cyclopts import App

from inverse_inr.codec import command as codec_verbs
from inverse_inr.command.answering import begin
from inverse_inr.command.code import announce, check_unchanged, code_of, with_absolute_code
from inverse_inr.command.comparison import Comparison
from inverse_inr.command.config import Run
from inverse_inr.command.families import teach
from inverse_inr.command.folder import (
    RECORD,
    clear,
    read_record,
    removable,
    remove_orphans,
    require_free,
)
from inverse_inr.command.lock import locked
from inverse_inr.command.looking import verbs
from inverse_inr.command.options import (
    Compile,
    Config,
    Device,
    Keywords,
    Overrides,
    Threads,
    Uncertainty,
    Wait,
    Watching,
    check_words,
)
from inverse_inr.command.presets import find_config
from inverse_inr.command.reporting import write_json
from inverse_inr.command.resuming import fill, go_on
from inverse_inr.command.session import (
    INTERRUPTED,
    continuable,
    in_folder,
    told,
    use_compiler,
    use_device,
    use_threads,
    watching,
)
from inverse_inr.command.several.batch import batch
from inverse_inr.command.several.following import follow, require_divisible, together
from inverse_inr.command.sureness import write_deviation
from inverse_inr.command.tables import ConfigError, check_sections, override
from inverse_inr.distributed import current
from inverse_inr.memory import allocation_failed
from inverse_inr.reading import command as reading_verbs
from inverse_inr.solver import Progress, disk_full
from inverse_inr.solver.identity import versions

app = App(name="inverse-inr", help="Imaging inverse problems with implicit neural representations.")
codec_verbs.register(app)
reading_verbs.register(app)
logger = logging.getLogger("inverse_inr")


@app.command
def run(
    config: Config,
    /,
    *,
    out: Path,
    force: bool = False,
    wait: Wait = False,
    set: Overrides = (),
    threads: Threads = None,
    device: Device = None,
    uncertainty: Uncertainty = None,
    compile: Compile = False,
    watch: Watching = None,
    family: Path | None = None,
    **keywords: Keywords,
) -> int:
    """Reconstruct what a config describes; write figure, image, weights, history and config.

    Parameters
    ----------
    out
        Folder of the run; one that holds another run is refused without --force.
    force
        Replace the run that the folder holds: the files that a run wrote are removed, no others.
    family
        A file that `train` wrote: the fit begins at its field, in place of [prior].
    """
    use_threads(threads)
    tables, code = told(config, set, keywords, device, family, compile)
    checked = Run.of(tables)
    ranks = current()
    require_divisible(tables, out, ranks)
    if not ranks.first:
        return follow(checked, out)
    with locked(out, wait=wait), continuable(out):
        if not force:
            require_free(out)
        removable(out)  # refuses what may not be removed
        # what cannot be prepared takes no folder, clears none
        work = begin(checked, out, watching=watching(out, watch))
        remove_orphans(out)
        clear(out)
        record = {"config": tables, "code": code, "folder": str(Path.cwd())}
        record |= {"versions": versions(), "uncertainty": uncertainty}
        write_json(out / RECORD, record)
        work()
        if uncertainty is not None:
            write_deviation(checked, out)
        write_json(out / RECORD, {**record, "finished": True})
        return 0
    return INTERRUPTED


@app.command
def train(
    config: Config,
    /,
    *,
    out: Path,
    force: bool = False,
    set: Overrides = (),
    threads: Threads = None,
    **keywords: Keywords,
) -> int:
    """Teach a family of fields by the tasks of a config, and write it as one file.

    Repeat the command to go on after an interruption. `run CONFIG --family FILE` begins there.

    Parameters
    ----------
    out
        The family's file, which --force replaces: family.safetensors.
    """
    use_threads(threads)
    tables, _ = told(config, set, keywords)
    with continuable(out):
        teach(tables, out, force=force)
        return 0
    return INTERRUPTED


@app.command
def compare(
    config: Config,
    *,
    priors: str,
    out: Path,
    seeds: int = 3,
    force: bool = False,
    wait: Wait = False,
    set: Overrides = (),
    threads: Threads = None,
    device: Device = None,
    compile: Compile = False,
    together: bool = False,
) -> int:
    """Fit several priors to one problem: a table and a figure, with the classical baselines above.

    Everything but [prior] is taken from the config; --set prior.bandwidth=20 holds for every prior.
    What is finished in `out` is kept: repeat the command to go on after an interruption, with more
    priors or with more seeds.

    Parameters
    ----------
    priors
        Names of the catalogue, e.g. siren,wire,hash (see inverse-inr list).
    out
        Folder of the comparison; one that holds something else is refused without --force.
    seeds
        How many fits of each, with seeds 0, 1, ... of the noise and of the solver.
    together
        Fit the seeds of a prior in one batch where that pays: the same to rounding, not bit by bit.
    force
        Begin again.
    """
    use_threads(threads)
    found, where = find_config(str(config))
    tables = {k: v for k, v in found.items() if k != "prior"}
    override(tables, set)
    use_device(tables, device)
    use_compiler(tables, compile)
    tables = with_absolute_code(tables)
    options = tables.pop("prior", {})
    if "name" in options:
        raise ConfigError(f"--set prior.name={options['name']}: --priors names them.")
    names = [name.strip() for name in priors.split(",") if name.strip()]
    print(where)
    announce(code_of(tables, names))
    command = ["inverse-inr", "compare", str(config)]
    command += ["--priors", ",".join(names), "--seeds", str(seeds)]
    command += [word for chosen in set for word in ("--set", chosen)] + ["--together"] * together
    comparison = Comparison(
        Run.of(tables),
        names,
        out,
        seeds,
        options,
        partial(Progress, always=True),
        shlex.join(command),
        together,
    )
    with locked(out, wait=wait), continuable(out):
        comparison.claim(force=force)
        remove_orphans(out)
        fill(comparison)
        return 0
    return INTERRUPTED


@app.command
def resume(
    out: Path,
    *,
    wait: Wait = False,
    threads: Threads = None,
    device: Device = None,
    watch: Watching = None,
) -> int:
    """Continue an interrupted run or comparison: the result is as without the interruption.

    Code that the config names ("my_file.py:problem") is run again, if it has not changed.
    """
    use_threads(threads)
    read_record(out)
    here = out.absolute()
    ranks = current()
    owned = locked(out, wait=wait)
    if not ranks.first:
        owned = contextlib.nullcontext()
    with owned, continuable(out):
        record = read_record(out)
        tables = record["config"]
        check_sections(tables)
        use_device(tables, device)
        code = code_of(tables, record.get("priors", ()))
        announce(code)
        check_unchanged(record.get("code"), code, out)
        require_divisible({**record, **tables}, out, ranks)
        if not ranks.first:
            with in_folder(record.get("folder")):
                return follow(Run.of(tables), here, resuming=True)
        with in_folder(record.get("folder")):
            go_on(here, record, Run.of(tables), watching(here, watch))
        return 0
    return INTERRUPTED


app.command(batch)
verbs.register(app)


def main() -> None:
    """Run the command line. An error that a user can mend is one line, not a traceback."""
    gc.freeze()  # what was imported stays: no collection looks at it again
    warnings.formatwarning = lambda message, *_, **__: f"inverse-inr: {message}\n"
    try:
        check_words(sys.argv[1:])
        with together(sys.argv[1:]):
            app()
    except KeyboardInterrupt:
        print("inverse-inr: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone: inverse-inr list | head
        sys.stdout = None
        sys.exit(1)
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        if logger.isEnabledFor(logging.DEBUG):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, OSError) and disk_full(error):
            said = f"disk full: {said}"
        sys.exit(f"inverse-inr: {said}")
    except RuntimeError as error:  # the last net: what is large asks for its memory beforehand
        if not allocation_failed(error) or logger.isEnabledFor(logging.DEBUG):
            raise
        sys.exit(
            "inverse-inr: not enough memory: smaller sizes, a smaller solver.batch, solver.points "
            f"or solver.chunk take less. {str(error).splitlines()[0]}"
        )


if __name__ == "__main__":
    main()
