"""Draws docs/architecture.png from the imports: the rooms on their floors, and which floor imports which.

    python docs/draw_architecture.py

The floors are those of tests/cases/floors.py, which the tests hold the tree to; rooms, modules and arrows are counted
in the code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cases.floors import FLOORS  # noqa: E402
from cases.tree import floors_of, module_arrows, modules, room, room_arrows  # noqa: E402

COLOURS = {"core": "#c9d8ea", "operators": "#cfe6cf", "problems": "#f8dcbb", "command": "#dddddd"}
DARK = "#333333"
WIDTH, LABEL, HEIGHT, GAP = (
    12.0,
    3.0,
    0.62,
    0.38,
)  # of the row of rooms, of its name, of a room, between floors
DOTS, STEP = (
    0.5,
    0.36,
)  # the table of dots: how far right of the rooms it begins, between its columns


def building(name: str) -> str:
    """The part of the house that a room belongs to: "core", "operators", "problems" or "command"."""
    top = name.split(".")[0]
    return top if top in COLOURS else "core"


def main() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.2, 11.6))
    axes = figure.add_axes((0.005, 0.005, 0.99, 0.99))
    places = draw_rooms(axes)
    draw_arrows_of_a_floor(axes, places)
    draw_dots(axes)
    axes.set_xlim(-LABEL - 0.1, WIDTH + DOTS + STEP * (len(FLOORS) + 0.6))
    axes.set_ylim(-1.15, height(len(FLOORS)) + 0.75)
    axes.axis("off")
    FigureCanvasAgg(figure).print_png(str(ROOT / "docs" / "architecture.png"))


def height(floor: int) -> float:
    """Where the lower edge of a floor's rooms lies."""
    return floor * (HEIGHT + GAP)


def draw_rooms(axes: Axes) -> dict[str, tuple[float, float]]:
    """A box a room, as wide as its floor allows; returns the middle of each upper edge."""
    from matplotlib.patches import FancyBboxPatch

    homes = [room(name) for name in modules(ROOT)]
    places = {}
    for number, (floor, names) in enumerate(FLOORS.items()):
        low = height(number)
        axes.text(
            -0.15, low + HEIGHT / 2, floor, ha="right", va="center", fontsize=10.5, color=DARK
        )
        width = min(WIDTH / len(names), 2.6)
        left = (WIDTH - width * len(names)) / 2
        for k, name in enumerate(names):
            x = left + k * width
            box = (x + 0.06, low), width - 0.12, HEIGHT
            axes.add_patch(
                FancyBboxPatch(
                    *box,
                    boxstyle="round,pad=0,rounding_size=0.08",
                    lw=0.8,
                    ec="#777777",
                    fc=COLOURS[building(name)],
                )
            )
            middle = x + width / 2
            axes.text(middle, low + 0.4, shown(name), ha="center", va="center", fontsize=9.5)
            count = homes.count(name)
            axes.text(
                middle,
                low + 0.16,
                f"{count} files" if count > 1 else "1 file",
                ha="center",
                va="center",
                fontsize=7,
                color="#666666",
            )
            places[name] = (middle, low + HEIGHT)
    return places


def shown(name: str) -> str:
    """A room's name in its building; a building's own `__init__` by that name."""
    if name in ("inverse_inr", "operators", "problems"):
        return f"{name}/__init__"
    return name.split(".")[-1]


def draw_arrows_of_a_floor(axes: Axes, places: dict[str, tuple[float, float]]) -> None:
    """Imports between rooms that stand side by side, as arcs over their boxes."""
    from matplotlib.patches import FancyArrowPatch

    number = floors_of(FLOORS)
    for name, targets in room_arrows(ROOT).items():
        for target in targets:
            if number[name] != number[target]:
                continue
            (x, y), (to, _) = places[name], places[target]
            side = 0.25 if to > x else -0.25
            bend = (
                0.55 / abs(to - x) * min(1.0, 0.55 + 0.1 * abs(to - x))
            )  # all arcs nearly as high as the gap
            start, end = (x + side, y), (to - side / 2, y)
            axes.add_patch(
                FancyArrowPatch(
                    start,
                    end,
                    connectionstyle=f"arc3,rad={-bend if to > x else bend}",
                    arrowstyle="-|>",
                    mutation_scale=9,
                    lw=0.9,
                    color="#8a3030",
                    shrinkA=0,
                    shrinkB=0,
                )
            )


def draw_dots(axes: Axes) -> None:
    """Row i, column j: how many imports lead from floor i down to floor j, as the area of a dot."""
    number = floors_of(FLOORS)
    counts: dict[tuple[int, int], int] = {}
    for name, targets in module_arrows(ROOT).items():
        for target in targets:
            pair = number[room(name)], number[room(target)]
            if pair[0] != pair[1]:
                counts[pair] = counts.get(pair, 0) + 1
    for row, floor in enumerate(FLOORS):
        y = height(row) + HEIGHT / 2
        axes.plot([WIDTH + DOTS, column(row)], [y, y], color="#dddddd", lw=0.8, zorder=0)
        axes.plot([column(row)] * 2, [y, height(0) - 0.12], color="#dddddd", lw=0.8, zorder=0)
        axes.text(
            column(row) + 0.08,
            height(0) - 0.2,
            str(row),
            ha="center",
            va="top",
            fontsize=8,
            color="#666666",
        )
        axes.text(
            WIDTH + DOTS - 0.12, y, str(row), ha="right", va="center", fontsize=8, color="#666666"
        )
        axes.plot(
            [column(row)],
            [y],
            marker="s",
            ms=5,
            color=COLOURS[building(FLOORS[floor][0])],
            mec="#777777",
            mew=0.6,
        )
    for (row, low), count in counts.items():
        axes.scatter(
            [column(low)], [height(row) + HEIGHT / 2], s=6 + 2.2 * count, color=DARK, zorder=3, lw=0
        )
    top = height(len(FLOORS)) + 0.1
    axes.text(
        0,
        top,
        "Rooms on their floors. Red arcs: imports between rooms of one floor.",
        fontsize=11,
        color=DARK,
    )
    words = "Imports from a floor (row) to a lower one (column),\nthe more the larger the dot. None leads up."
    axes.text(WIDTH + DOTS - 0.3, top, words, fontsize=11, color=DARK)
    x = 0.0
    for name, words in (
        ("core", "core, inverse_inr/"),
        ("operators", "operators/"),
        ("problems", "problems/"),
        ("command", "command line, inverse_inr/command/"),
    ):
        axes.plot([x], [-0.7], marker="s", ms=11, color=COLOURS[name], mec="#777777", mew=0.8)
        axes.text(x + 0.2, -0.7, words, va="center", fontsize=10, color=DARK)
        x += 1.0 + 0.105 * len(words)


def column(floor: int) -> float:
    return WIDTH + DOTS + STEP * (floor + 0.5)


if __name__ == "__main__":
    main()
