"""Pinhole cameras that stand anywhere and look anywhere."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inverse_inr.devices import unravel
from inverse_inr.ranges import Count, FiniteTensor, Positive, checked


class Cameras(nn.Module):
    """Pinhole cameras of one lens, of shape (views, height, width).

    A pose maps the camera's coordinates to the world's. A camera looks along its own -z, its x
    points to the right of the picture and its y upwards, as in OpenGL, Blender and the
    `transforms.json` of NeRF. Pixel (i, j) is seen along

        d = ((j + 1/2 - c_x) / f_x, -(i + 1/2 - c_y) / f_y, -1).

    Args:
        poses: (views, 4, 4) or (views, 3, 4) matrices [R | t]: R is a rotation, t the camera's
            place in the unit of the box.
        size: Height and width in pixels.
        focal: Focal length in pixels, one for both axes or (f_x, f_y).
        principal: Where the optical axis meets the picture, (c_x, c_y) in pixels from its upper
            left corner; by default the middle.

    Raises:
        ValueError: A matrix is no rotation (a reflection, a scale, rows for columns), a last row is
            not (0, 0, 0, 1), or the shapes disagree.

    Source:
        Mildenhall et al., NeRF, 2020 (the convention of its data).
    """

    begins_at_origin = True
    """Nothing behind a camera is seen; the rays of tomography are whole lines."""

    @checked
    def __init__(
        self,
        poses: FiniteTensor,
        size: tuple[Count, Count],
        focal: Positive | tuple[Positive, Positive],
        principal: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        height, width = size
        if principal is None:
            principal = (0.5 * width, 0.5 * height)
        if not isinstance(focal, tuple | list):
            focal = (focal, focal)
        self.poses = nn.Buffer(_checked_poses(poses))
        self.shape = (len(poses), height, width)
        lens = [float(v) for v in (*focal, *principal)]
        self.lens = nn.Buffer(torch.tensor(lens, dtype=torch.float64))

    def __len__(self) -> int:
        return math.prod(self.shape)

    def rays(self, rows: Tensor, subrays: int | None = None) -> tuple[Tensor, Tensor]:
        """The rays of some pixels.

        Args:
            rows: (b,) numbers of pixels in the flattened `shape`.
            subrays: Rays along each side of a pixel; 1 by default.

        Returns:
            Origins and unit directions, (b, subrays², 3) each, in the precision of the poses.
        """
        view, i, j = unravel(rows.to(self.poses.device), self.shape)
        count = subrays or 1
        offset = (torch.arange(count, device=view.device).to(self.poses) + 0.5) / count
        row, column = (v.flatten() for v in torch.meshgrid(offset, offset, indexing="ij"))
        focal_x, focal_y, middle_x, middle_y = self.lens
        x = (j[:, None] + column - middle_x) / focal_x
        y = -(i[:, None] + row - middle_y) / focal_y
        own = torch.stack([x, y, -torch.ones_like(x)], -1)  # (b, subrays², 3)
        pose = self.poses[view]
        direction = own @ pose[:, :3, :3].mT
        direction = direction / direction.norm(dim=-1, keepdim=True)
        return pose[:, None, :3, 3].expand_as(direction), direction


def _checked_poses(poses: Tensor) -> Tensor:
    """(views, 3, 4) in float64, of rotations."""
    if poses.ndim != 3 or tuple(poses.shape[1:]) not in ((4, 4), (3, 4)) or not len(poses):
        raise ValueError(f"Cameras: poses must be (views, 4, 4), got {tuple(poses.shape)}.")
    poses = poses.detach().double()
    below = poses[:, 3:] - poses.new_tensor([0.0, 0.0, 0.0, 1.0])
    if bool((below.abs() > 1e-6).any()):
        wrong = int(below.abs().amax((1, 2)).argmax())
        raise ValueError(
            f"Cameras: the last row of pose {wrong} is {poses[wrong, 3].tolist()}, not "
            "[0, 0, 0, 1]. Rows for columns?"
        )
    turns = poses[:, :3, :3]
    error = (turns.mT @ turns - torch.eye(3, dtype=poses.dtype)).abs().amax((1, 2))
    worst = int(error.argmax())
    if float(error[worst]) > 1e-4:
        scale = float(turns[worst].det().abs()) ** (1 / 3)
        raise ValueError(
            f"Cameras: pose {worst} is no rotation: R'R differs from 1 by "
            f"{float(error[worst]):.2g} (its scale is {scale:.4g}). A scaled or sheared matrix, or "
            "rows for columns?"
        )
    mirrored = (turns.det() < 0).nonzero()
    if len(mirrored):
        raise ValueError(
            f"Cameras: pose {int(mirrored[0])} is a reflection, not a rotation. One axis flipped, "
            "as between OpenGL and OpenCV cameras? Flip two: y and z."
        )
    return poses[:, :3].clone()


@checked
def looking_at(
    places: FiniteTensor, target: FiniteTensor, up: FiniteTensor | None = None
) -> Tensor:
    """Make the poses of cameras that look at a point.

    Args:
        places: (views, 3) where they stand.
        target: (3,) where they look.
        up: (3,) the direction that is upwards in the pictures; by default the last axis.

    Returns:
        (views, 4, 4) poses, float64.

    Raises:
        ValueError: A camera stands at the target, or looks along `up`.
    """
    places = places.double()
    if places.ndim != 2 or places.shape[1] != 3 or target.shape != (3,):
        raise ValueError(
            f"looking_at: places must be (views, 3) and target (3,), got {tuple(places.shape)} and "
            f"{tuple(target.shape)}."
        )
    if up is None:
        up = places.new_tensor([0.0, 0.0, 1.0])
    back = places - target.double()
    right = torch.linalg.cross(up.double().expand_as(back), back)
    if bool((right.norm(dim=-1) <= 1e-9 * back.norm(dim=-1)).any()):
        raise ValueError("looking_at: a camera stands at the target, or looks straight along up.")
    back = back / back.norm(dim=-1, keepdim=True)
    right = right / right.norm(dim=-1, keepdim=True)
    upward = torch.linalg.cross(back, right)
    poses = torch.eye(4, dtype=torch.float64).repeat(len(places), 1, 1)
    poses[:, :3] = torch.stack([right, upward, back, places], -1)
    return poses
