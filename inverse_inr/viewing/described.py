"""What the page is told of each folder before it asks for an image."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from inverse_inr.viewing import mapped
from inverse_inr.viewing.contents import Contents, Volume, inside, version


def described(run: Contents) -> dict[str, Any]:
    """Describe a folder in what JSON knows.

    Args:
        run: What there is to see of it.

    Returns:
        The fields of `Contents`; of each image also shape, box, units and windows, or "fault" where
        its file is missing or damaged. Numbers that are not finite are None.
    """
    return {
        "name": run.name,
        "state": run.state,
        "notes": list(run.notes),
        "volumes": [_of_volume(run, volume) for volume in run.volumes],
        "pictures": [_of_file(run, path) for path in run.pictures],
        "live": _of_file(run, run.live) if run.live is not None else None,
        "surfaces": [_of_file(run, path) for path in run.surfaces],
        "curves": [{"title": c.title, "records": finite(list(c.records))} for c in run.curves],
        "weights": finite(run.weights),
        "weight": finite(run.weight),
        "table": finite(list(run.table)),
        "verdict": run.verdict,
        "config": finite(run.config),
    }


def _of_file(run: Contents, path: Path) -> dict[str, str]:
    return {"name": path.relative_to(run.folder).as_posix(), "version": version(path)}


def _of_volume(run: Contents, volume: Volume) -> dict[str, Any]:
    told = {"title": volume.title, "role": volume.role, "version": version(volume.path)}
    try:
        path = inside(run.folder, volume.path)
        return {**told, **_of_image(path, told["version"])}
    except (OSError, ValueError, MemoryError) as error:
        return {**told, "fault": str(error)}


@lru_cache(maxsize=256)
def _of_image(path: Path, _version: str) -> dict[str, Any]:
    image = mapped.open_mapped(path)
    parts: tuple[mapped.Part, ...] = tuple(mapped.PARTS) if image.is_complex else ("value",)
    box = image.grid.box
    return {
        "shape": list(image.grid.shape),
        "channels": image.channels,
        "complex": image.is_complex,
        "lower": list(box.lower),
        "upper": list(box.upper),
        "units": list(box.units),
        "windows": {part: mapped.window(image, part) for part in parts},
    }


def finite(value: Any) -> Any:
    """Replace numbers that JSON has not.

    Args:
        value: Lists and dictionaries of anything.

    Returns:
        The same, with None for infinities and NaN.
    """
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
