"""Draw docs/architecture.png from the imports: rooms on their floors, and who imports whom.

    python docs/draw_architecture.py

The floors are those of tests/cases/floors.py, which the tests hold the tree to. Rooms, modules and
arrows are counted in the code.
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

WIDTH = 12.0
"""Width of a floor's row of rooms, in the unit of the axes, as all lengths below."""

LABEL = 3.0
"""Room to the left of the floors for their names."""

HEIGHT = 0.62
"""Height of a room."""

GAP = 0.38
"""Height between two floors."""

DOTS = 0.5
"""Distance from the rooms to the table of dots on their right."""

STEP = 0.36
"""Distance between two columns of the table of dots."""


def building(name: str) -> str:
    """The part of the house with this room: "core", "operators", "problems" or "command"."""
    top = name.split(".")[0]
    if top in COLOURS:
        return top
    return "core"


def main() -> None:
    """Draw the figure and write it as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15.2, 11.6))
    axes = figure.add_axes((0.005, 0.005, 0.99, 0.99))
    places = draw_rooms(axes)
    draw_arrows_of_a_floor(axes, places)
    draw_dots(axes)
    draw_texts(axes)
    axes.set_xlim(-LABEL - 0.1, WIDTH + DOTS + STEP * (len(FLOORS) + 0.6))
    axes.set_ylim(-1.15, height(len(FLOORS)) + 0.75)
    axes.axis("off")
    FigureCanvasAgg(figure).print_png(str(ROOT / "docs" / "architecture.png"))


def height(floor: int) -> float:
    """Height of the lower edge of a floor's rooms."""
    return floor * (HEIGHT + GAP)


def draw_rooms(axes: Axes) -> dict[str, tuple[float, float]]:
    """Draw one box per room, as wide as its floor allows.

    Returns:
        The middle (x, y) of each room's upper edge.
    """
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
            draw_room(axes, name, homes.count(name), (x, low), width)
            places[name] = (x + width / 2, low + HEIGHT)
    return places


def draw_room(axes: Axes, name: str, count: int, corner: tuple[float, float], width: float) -> None:
    """Draw the box of one room, with its name and its number of files.

    Args:
        axes: The axes to draw on.
        name: Dotted name of the room.
        count: Number of its files.
        corner: (x, y) of the lower left corner.
        width: Width of the box, with half the gap to its neighbours on either side.
    """
    from matplotlib.patches import FancyBboxPatch

    x, low = corner
    axes.add_patch(
        FancyBboxPatch(
            (x + 0.06, low),
            width - 0.12,
            HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.08",
            lw=0.8,
            ec="#777777",
            fc=COLOURS[building(name)],
        )
    )
    files = "1 file"
    if count > 1:
        files = f"{count} files"
    middle = x + width / 2
    small = {"fontsize": 7, "color": "#666666"}
    label = shown(name)
    # a letter of size 9.5 is about 0.085 wide
    size = 9.5 * min(1.0, (width - 0.2) / (0.085 * len(label)))
    axes.text(middle, low + 0.4, label, ha="center", va="center", fontsize=size)
    axes.text(middle, low + 0.16, files, ha="center", va="center", **small)


def shown(name: str) -> str:
    """The name that is written in a room: without its building, unless it is the building's own."""
    if name in ("inverse_inr", "operators", "problems"):
        return f"{name}/__init__"
    return name.split(".")[-1]


def draw_arrows_of_a_floor(axes: Axes, places: dict[str, tuple[float, float]]) -> None:
    """Draw the imports between rooms of one floor, as arcs over their boxes."""
    number = floors_of(FLOORS)
    for name, targets in room_arrows(ROOT).items():
        for target in targets:
            if number[name] == number[target]:
                draw_arc(axes, places[name], places[target])


def draw_arc(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw one arc between the upper edges of two rooms."""
    from matplotlib.patches import FancyArrowPatch

    x, y = start
    to = end[0]
    distance = abs(to - x)
    # this makes all arcs nearly as high as the gap
    bend = 0.55 / distance * min(1.0, 0.55 + 0.1 * distance)
    side = -0.25
    if to > x:
        side = 0.25
        bend = -bend
    axes.add_patch(
        FancyArrowPatch(
            (x + side, y),
            (to - side / 2, y),
            connectionstyle=f"arc3,rad={bend}",
            arrowstyle="-|>",
            mutation_scale=9,
            lw=0.9,
            color="#8a3030",
            shrinkA=0,
            shrinkB=0,
        )
    )


def imports_between_floors() -> dict[tuple[int, int], int]:
    """Number of imports from a floor to another one, by the two floors' numbers."""
    number = floors_of(FLOORS)
    counts: dict[tuple[int, int], int] = {}
    for name, targets in module_arrows(ROOT).items():
        for target in targets:
            pair = number[room(name)], number[room(target)]
            if pair[0] != pair[1]:
                counts[pair] = counts.get(pair, 0) + 1
    return counts


def draw_dots(axes: Axes) -> None:
    """Draw the table of dots.

    The area of the dot in row i and column j is the number of imports from floor i down to floor j.
    """
    small = {"fontsize": 8, "color": "#666666"}
    square = {"marker": "s", "ms": 5, "mec": "#777777", "mew": 0.6}
    for row, floor in enumerate(FLOORS):
        y = height(row) + HEIGHT / 2
        axes.plot([WIDTH + DOTS, column(row)], [y, y], color="#dddddd", lw=0.8, zorder=0)
        axes.plot([column(row)] * 2, [y, height(0) - 0.12], color="#dddddd", lw=0.8, zorder=0)
        axes.text(column(row) + 0.08, height(0) - 0.2, str(row), ha="center", va="top", **small)
        axes.text(WIDTH + DOTS - 0.12, y, str(row), ha="right", va="center", **small)
        axes.plot([column(row)], [y], color=COLOURS[building(FLOORS[floor][0])], **square)
    for (row, low), count in imports_between_floors().items():
        axes.scatter(
            [column(low)], [height(row) + HEIGHT / 2], s=6 + 2.2 * count, color=DARK, zorder=3, lw=0
        )


def draw_texts(axes: Axes) -> None:
    """Write the headings above the two parts, and the legend of colours below them."""
    top = height(len(FLOORS)) + 0.1
    axes.text(
        0,
        top,
        "Rooms on their floors. Red arcs: imports between rooms of one floor.",
        fontsize=11,
        color=DARK,
    )
    words = (
        "Imports from a floor (row) to a lower one (column),\n"
        "the more the larger the dot. None leads up."
    )
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
    """Position x of a floor's column in the table of dots."""
    return WIDTH + DOTS + STEP * (floor + 0.5)


if __name__ == "__main__":
    main()
