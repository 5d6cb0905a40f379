"""Pictures with known cameras, from the `transforms.json` of NeRF's data and of COLMAP's tools."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr import Box, Problem, noise
from inverse_inr.io import FileFormatError, read_image
from inverse_inr.operators import Cameras, VolumeRendering
from inverse_inr.operators.spherical_harmonics import Degree
from inverse_inr.problems.pixels import binned
from inverse_inr.problems.scene.simulated import problem_of
from inverse_inr.ranges import Count, NoiseLevel, Positive, WholeNumber, checked


@checked
def scene_views(
    path: str,
    *,
    half_width: Positive = 1.5,
    bin: Count = 1,
    every: Count = 1,
    samples: Count = 96,
    fine: WholeNumber = 0,
    degree: Degree = 1,
    background: float = 1.0,
    noise_level: NoiseLevel = 0.02,
    hold_out_views: Count = 10,
    cells: Count = 96,
) -> Problem:
    """Find a scene from photographs whose cameras a transforms.json gives.

    Args:
        path: The file; pictures are looked for beside it, with .png where no suffix is named.
        half_width: Half the side of the cube about the origin that holds the scene, in the unit
            of the poses.
        bin: Pixels averaged along each side of the pictures.
        every: Take every n-th picture.
        samples: Points of each ray in the fit.
        fine: Further points where the light comes from.
        degree: Degree of the spherical harmonics by which a colour depends on the direction.
        background: The grey behind everything, and behind transparent pixels.
        noise_level: Standard deviation by which pictures and fit are expected to differ, of white.
        hold_out_views: Keep each n-th picture out of the fit, to judge and to stop by.
        cells: Cells of the field along a side of the cube.

    Returns:
        The problem; `notes` say what was read.

    Raises:
        FileNotFoundError: The file or a picture is missing.
        FileFormatError: The file is no transforms.json, or a picture cannot be read.
        ValueError: Pictures differ in size, a pose is no rotation, or no camera sees the cube.
    """
    content = _read(Path(path))
    frames = content["frames"][::every]
    stack = [_picture(Path(path), frame, background, bin) for frame in frames]
    sizes = {tuple(picture.shape) for picture in stack}
    if len(sizes) > 1:
        raise ValueError(f"{path}: its pictures differ in size: {sorted(sizes)}.")
    height, width, _ = stack[0].shape
    focal, principal = _lens(content, path, width, bin)
    poses = torch.stack([_pose(path, frame) for frame in frames])
    cameras = Cameras(poses, (height, width), focal, principal)
    box = Box((-half_width,) * 3, (half_width,) * 3)
    operator = VolumeRendering(
        box, cameras, samples, fine=fine, background=background, degree=degree
    )
    y = torch.stack(stack).reshape(len(operator), 3)
    problem = problem_of(operator, y, noise.Gaussian(noise_level), hold_out_views, cells)
    notes = {
        "pictures": f"{len(stack)} of {height} x {width} pixels",
        "focal length (pixels)": f"{focal[0]:.6g}, {focal[1]:.6g}",
    }
    if operator.blind_views:
        names = [frames[view]["file_path"] for view in operator.blind_views]
        notes["pictures that see nothing of the cube"] = ", ".join(names)
    return replace(problem, notes={**problem.notes, **notes})


def _pose(path: str, frame: dict[str, Any]) -> Tensor:
    """The matrix of a frame, (4, 4)."""
    name = frame["file_path"]
    try:
        pose = torch.tensor(frame["transform_matrix"], dtype=torch.float64)
    except (ValueError, TypeError) as error:
        raise FileFormatError(f"{path}: the pose of {name} is no matrix: {error}.") from None
    if tuple(pose.shape) not in ((4, 4), (3, 4)) or not bool(torch.isfinite(pose).all()):
        raise FileFormatError(
            f"{path}: the pose of {name} must be 4 rows of 4 finite numbers, got {pose.tolist()}."
        )
    if len(pose) == 3:
        pose = torch.cat([pose, pose.new_tensor([[0.0, 0.0, 0.0, 1.0]])])
    return pose


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path.absolute()}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        frames = content["frames"]
        good = bool(frames) and all(
            isinstance(frame["file_path"], str) and len(frame["transform_matrix"]) in (3, 4)
            for frame in frames
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileFormatError(
            f"{path}: expected a transforms.json with frames of file_path and transform_matrix; "
            f"{type(error).__name__}: {error}"
        ) from None
    if not good:
        raise FileFormatError(f"{path}: it has no frames of file_path and transform_matrix.")
    return content


def _picture(path: Path, frame: dict[str, Any], background: float, bin: int) -> Tensor:
    """(h, w, 3), transparent pixels over the background."""
    name = path.parent / frame["file_path"]
    if not name.suffix:
        name = name.with_suffix(".png")
    if not name.is_file():
        raise FileNotFoundError(f"{path} names the picture {name}, which is not there.")
    alpha = {"alpha": True} if name.suffix.lower() == ".png" else {}
    values, grid = read_image(name, **alpha)
    if values.shape[-1] in (2, 4):
        opacity = values[..., -1:]
        values = values[..., :-1] * opacity + background * (1 - opacity)
    if values.shape[-1] == 1:
        values = values.expand(*values.shape[:-1], 3)
    return binned(values.contiguous(), grid, bin)[0]


def _lens(
    content: dict[str, Any], path: str, width: int, bin: int
) -> tuple[tuple[float, float], tuple[float, float] | None]:
    """Focal lengths and principal point in pixels of the pictures as they are used."""
    if "fl_x" in content:
        focal_x = _number(content, "fl_x", path)
        focal_y = _number({"fl_y": focal_x, **content}, "fl_y", path)
        focal = (focal_x / bin, focal_y / bin)
    elif "camera_angle_x" in content:
        angle = _number(content, "camera_angle_x", path)
        if not 0 < angle < math.pi:
            raise FileFormatError(
                f"{path}: camera_angle_x={angle:g} must lie between 0 and π. In degrees?"
            )
        focal_x = 0.5 * width / math.tan(0.5 * angle)
        focal = (focal_x, focal_x)
    else:
        raise FileFormatError(f"{path}: neither fl_x nor camera_angle_x says how wide the lens is.")
    if "cx" not in content or "cy" not in content:
        return focal, None
    return focal, (_number(content, "cx", path) / bin, _number(content, "cy", path) / bin)


def _number(content: dict[str, Any], key: str, path: str) -> float:
    value = content[key]
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise FileFormatError(f"{path}: {key}={value!r} must be a number.")
    return float(value)
