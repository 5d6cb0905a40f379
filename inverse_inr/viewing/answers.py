"""Requests and what is answered: functions without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np

from inverse_inr.io import read_ply
from inverse_inr.viewing import mapped
from inverse_inr.viewing.contents import Contents, inside
from inverse_inr.viewing.described import described

PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
MOST_FACES = 1_000_000
"""Triangles and points up to which a surface is sent to the page."""


@dataclass(frozen=True)
class Answer:
    """An answer to a request.

    Args:
        status: The status of HTTP.
        kind: The type of the body.
        body: What is sent.
        headers: Further headers.
    """

    status: HTTPStatus
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(status: HTTPStatus, why: str) -> Answer:
    """Make an answer that says in one sentence why there is no other.

    Args:
        status: The status of HTTP.
        why: The sentence.
    """
    return Answer(status, "text/plain; charset=utf-8", f"{why}\n".encode())


def answer(contents: Sequence[Contents], name: str, query: Mapping[str, str]) -> Answer:
    """Answer a request whose token has been seen.

    Args:
        contents: What there is to see.
        name: What is asked for: "" and the files of the page, "runs", "plane", "line", "surface"
            or "picture".
        query: The words behind the question mark.

    Returns:
        The answer. A word that is missing or wrong is 400, what is not there 404, and a file that
        is damaged 422, each with a sentence.
    """
    if name in PAGES:
        path = PAGES[name]
        return Answer(HTTPStatus.OK, KINDS[path.suffix], path.read_bytes())
    if name not in ASKED:
        return refused(HTTPStatus.NOT_FOUND, "There is no such page.")
    try:
        return ASKED[name](contents, query)
    except FileNotFoundError as error:
        return refused(HTTPStatus.NOT_FOUND, str(error))
    except (KeyError, IndexError) as error:
        return refused(HTTPStatus.BAD_REQUEST, f"The request lacks a word or names none: {error}.")
    except (ValueError, MemoryError, OSError) as error:
        return refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _runs(contents: Sequence[Contents], _: Mapping[str, str]) -> Answer:
    body = json.dumps([described(each) for each in contents], default=str)
    return Answer(HTTPStatus.OK, "application/json", body.encode())


def _plane(contents: Sequence[Contents], query: Mapping[str, str]) -> Answer:
    image = _image(contents, query)
    axes = (int(query["down"]), int(query["right"]))
    found = mapped.plane(image, axes, _at(query), _channel(query), _part(query))
    return _numbers(found, [mapped.step(image.grid.shape[axis], mapped.MOST) for axis in axes])


def _line(contents: Sequence[Contents], query: Mapping[str, str]) -> Answer:
    image = _image(contents, query)
    axis = int(query["axis"])
    found = mapped.line(image, axis, _at(query), _channel(query), _part(query))
    counts = (*image.grid.shape, 1)
    return _numbers(found, [mapped.step(counts[axis], mapped.MOST_OF_A_LINE)])


def _numbers(values: np.ndarray, steps: Sequence[int]) -> Answer:
    headers = {
        "X-Shape": ",".join(map(str, values.shape)),
        "X-Step": ",".join(map(str, steps)),
    }
    body = values.astype("<f4").tobytes()
    return Answer(HTTPStatus.OK, "application/octet-stream", body, headers)


def _surface(contents: Sequence[Contents], query: Mapping[str, str]) -> Answer:
    """Counts of vertices and of triangles (uint32), then the vertices (float32), then triangles."""
    run = _run(contents, query)
    path = _named(run, run.surfaces, query["name"])
    found = read_ply(path)
    if max(len(found.faces), len(found.vertices)) > MOST_FACES:
        raise ValueError(
            f"{path.name} has {len(found.faces)} triangles and {len(found.vertices)} points, more "
            f"than the {MOST_FACES} that this page draws. Open it in a program for surfaces."
        )
    counts = np.array([len(found.vertices), len(found.faces)], "<u4")
    parts = [counts, found.vertices.numpy().astype("<f4"), found.faces.numpy().astype("<u4")]
    body = b"".join(part.tobytes() for part in parts)
    return Answer(HTTPStatus.OK, "application/octet-stream", body)


def _picture(contents: Sequence[Contents], query: Mapping[str, str]) -> Answer:
    run = _run(contents, query)
    live = [run.live] if run.live is not None else []
    path = _named(run, [*run.pictures, *live], query["name"])
    return Answer(HTTPStatus.OK, "image/png", path.read_bytes())


Asked = Callable[[Sequence[Contents], Mapping[str, str]], Answer]
ASKED: dict[str, Asked] = {
    "runs": _runs,
    "plane": _plane,
    "line": _line,
    "surface": _surface,
    "picture": _picture,
}
PAGES = {path.name: path for path in PAGE.iterdir() if path.suffix in KINDS}
PAGES[""] = PAGE / "index.html"


def _run(contents: Sequence[Contents], query: Mapping[str, str]) -> Contents:
    place = int(query["run"])
    if not 0 <= place < len(contents):
        raise FileNotFoundError(f"There is no run {place}.")
    return contents[place]


def _image(contents: Sequence[Contents], query: Mapping[str, str]) -> mapped.Mapped:
    run = _run(contents, query)
    for volume in run.volumes:
        if volume.title == query["volume"]:
            return mapped.open_mapped(inside(run.folder, volume.path))
    raise FileNotFoundError(f"{run.name} has no image of that name.")


def _named(run: Contents, paths: Sequence[Path], name: str) -> Path:
    for path in paths:
        if path == run.folder / name:
            return inside(run.folder, path)
    raise FileNotFoundError(f"{run.name} has no file of that name to look at.")


def _at(query: Mapping[str, str]) -> tuple[int, ...]:
    return tuple(int(word) for word in query["at"].split(","))


def _channel(query: Mapping[str, str]) -> int | None:
    if query["channel"] == "colours":
        return None
    return int(query["channel"])


def _part(query: Mapping[str, str]) -> Any:
    return query.get("part", "value")
