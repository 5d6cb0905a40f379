"""The options that several commands share, with their help."""

from collections.abc import Sequence
from typing import Annotated, Literal

from cyclopts import Parameter

from inverse_inr.command.tables import ConfigError
from inverse_inr.registry import nearest

FLAGS = ("--force", "--wait", "--compile", "--help", "--version", "-h")
"""The options of `run` that stand alone."""

WITH_VALUE = ("--out", "--set", "--threads", "--device", "--uncertainty", "--watch")

Config = Annotated[
    str,
    Parameter(help="A TOML file, the name of a preset or problem (ct), or my_file.py:problem."),
]
Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        help="Override a value: --set solver.steps=200 --set regularizers.0.weight=2 (repeat)."
    ),
]
Keywords = Annotated[
    list[str],
    Parameter(
        consume_multiple=True,
        help="Any keyword of the problem: --size 64 (inverse-inr list ct names them).",
    ),
]
Threads = Annotated[
    int | None,
    Parameter(
        help="CPU threads for torch. One is fastest for small problems and on a busy machine."
    ),
]
Device = Annotated[
    str | None,
    Parameter(
        help="Where to solve: auto (a GPU where there is one), cpu, cuda, cuda:1 or mps. It stands "
        "for solver.device, and a run may be resumed on another device."
    ),
]
Uncertainty = Annotated[
    Literal["ensemble"] | None,
    Parameter(
        help="Also write uncertainty.npz, one standard deviation of each pixel: the spread of four "
        "fits, scaled until it explains measurements that none of them saw."
    ),
]
Compile = Annotated[
    bool,
    Parameter(
        help="Compile the step into one graph, which takes up to minutes once: solver.compile.",
        negative=(),
    ),
]
Watching = Annotated[
    float | None,
    Parameter(
        help="Renew watch.png, the image as it forms, every so many seconds, in at most 2 % of the "
        "time: inverse-inr view shows it."
    ),
]
Wait = Annotated[
    bool, Parameter(help="Wait while another process works in the folder.", negative=())
]


def check_words(words: Sequence[str]) -> None:
    """Refuse an option of `run` that stands alone where a value is needed, and a value alone.

    Args:
        words: The command and its words.

    Raises:
        ConfigError: The message names the option, and the one that may have been meant.
    """
    if not words or words[0] != "run":
        return
    if len(words) > 2 and not any(word.startswith("-") for word in words[1:3]):
        raise ConfigError(
            f"{words[2]!r} stands alone. Values have names: --path {words[2]}? "
            f"inverse-inr list {words[1]} names all options."
        )
    for word, following in zip(words, [*words[1:], "--"], strict=True):
        alone = word.startswith("--") and "=" not in word and following.startswith("--")
        if alone and word not in (*FLAGS, "--no-force"):
            hint = nearest(word, (*FLAGS, *WITH_VALUE))
            if word in WITH_VALUE or not hint.startswith("Did"):
                hint = f"Write {word} VALUE."
            raise ConfigError(f"{word} has no value. {hint}")
