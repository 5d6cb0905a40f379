"""Pictures that the network of `denoisers.TrainedNetwork` is trained on, and crops of them.

Photographs come from packages on which no table of the benchmark stands: scikit-image, matplotlib,
PyWavelets, and the source distributions of opencv-python 4.9.0.80 and imgaug 0.4.0, which are
unpacked into a folder. A part is generated: leaves that fall on one another, whose sizes follow a
power law (Lee, Mumford & Huang 2001), some of them striped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import skimage
from skimage.io import imread

SCIKIT_IMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "camera.png",
    "cell.png",
    "gravel.png",
    "page.png",
    "text.png",
    "clock_motion.png",
    "logo.png",
    "color.png",
)
UNPACKED = (
    "aero1",
    "aero3",
    "affinepano",
    "aloeL",
    "apple",
    "baboon",
    "basketball1",
    "blox",
    "board",
    "box_in_scene",
    "budapest",
    "building",
    "butterfly",
    "cards",
    "cat",
    "chicky_512",
    "detect_blob",
    "ela_original",
    "example",
    "fruits",
    "fusion",
    "graf1",
    "graf3",
    "group2",
    "HappyFish",
    "home",
    "left01",
    "leuvenA",
    "licenseplate_motion",
    "memorial",
    "newspaper",
    "orange",
    "output",
    "quokka",
    "rubberwhale1",
    "smarties",
    "squirrel_cls",
    "starry_night",
    "stuff",
    "sudoku",
    "text_motion",
    "yolo",
)
"""Pictures of the unpacked distributions by their names without ending."""

JUDGING = ("building", "fruits", "butterfly", "ascent", "leuvenA", "squirrel_cls")
"""Pictures that are not trained on: they tell how far the training is, and settings of the methods
that use the network were chosen on them."""

SHRINKING = (1, 2, 3, 4)
"""Pixels that are averaged along each axis; the marks of JPEG are gone from two on."""

LEAVES = 0.15
"""The part of the crops that is generated."""


@dataclass(frozen=True)
class Picture:
    """A picture and where it is from.

    Attributes:
        name: Its file's name without ending.
        values: (h, w, 3) from 0 to 1.
    """

    name: str
    values: np.ndarray


def photographs(folder: Path) -> Iterator[Picture]:
    """Read all photographs, those that judge among them.

    Args:
        folder: Where the source distributions are unpacked, and the data of PyWavelets.

    Yields:
        The photographs; a grey one has three equal channels.
    """
    data = Path(skimage.__file__).parent / "data"
    files = [data / name for name in SCIKIT_IMAGE]
    files.append(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg")
    found: dict[str, Path] = {}
    for file in sorted(folder.rglob("*")):
        if file.stem in UNPACKED and file.suffix.lower() in (".jpg", ".jpeg", ".png"):
            found.setdefault(file.stem, file)
    for file in [*files, *found.values()]:
        values = np.atleast_3d(imread(file))[..., :3].astype("f4") / 255
        yield Picture(file.stem, values[..., :1].repeat(3, -1) if values.shape[-1] < 3 else values)
    for name in ("aero", "ascent"):
        grey = np.load(next(folder.rglob(f"{name}.npz")))["data"].astype("f4") / 255
        yield Picture(name, grey[..., None].repeat(3, -1))


def shrunk(values: np.ndarray, k: int) -> np.ndarray:
    """The means over squares of k x k pixels of a picture (h, w, c)."""
    height, width = (n // k for n in values.shape[:2])
    return values[: height * k, : width * k].reshape(height, k, width, k, -1).mean((1, 3))


class Crops:
    """Random crops of photographs at several sizes, and of generated leaves.

    Args:
        pictures: The photographs to train on.
        side: The side of a crop in pixels.
        seed: Decides all that is drawn.
    """

    def __init__(self, pictures: list[Picture], side: int = 64, seed: int = 0):
        self.random = np.random.default_rng(seed)
        self.side = side
        self.pool = [
            shrunk(each.values, k)
            for each in pictures
            for k in SHRINKING
            if min(each.values.shape[:2]) >= (side + 16) * k
        ]
        sizes = np.array([values[..., 0].size for values in self.pool]) ** 0.35
        self.chances = sizes / sizes.sum()
        self.leaves = [leaves(side, self.random) for _ in range(600)]

    def batch(self, count: int) -> np.ndarray:
        """Draw crops: (count, 1, side, side)."""
        return np.stack([self._crop() for _ in range(count)])

    def _crop(self) -> np.ndarray:
        random = self.random
        if random.random() < LEAVES:
            values = self.leaves[random.integers(len(self.leaves))][..., None]
        else:
            values = self._photograph()
        if random.random() < 0.3:
            values = (values - 0.5) * random.uniform(0.3, 1.2) + 0.5
        values = np.rot90(values, int(random.integers(4)))
        if random.random() < 0.5:
            values = values[:, ::-1]
        return np.ascontiguousarray(values.transpose(2, 0, 1), "f4")

    def _photograph(self) -> np.ndarray:
        """A crop of a photograph, its colours mixed by chance."""
        random = self.random
        picture = self.pool[random.choice(len(self.pool), p=self.chances)]
        top, left = (random.integers(n - self.side + 1) for n in picture.shape[:2])
        values = picture[top : top + self.side, left : left + self.side]
        if random.random() < 0.15:  # a difference of colours
            mixing = random.standard_normal(3)
            mixing -= mixing.mean()
            return 0.5 + values @ (mixing / np.linalg.norm(mixing))[:, None]
        return values @ random.dirichlet((1, 1, 1))[:, None]


def leaves(side: int, random: np.random.Generator, count: int = 60) -> np.ndarray:
    """Ellipses and boxes that lie on one another, some striped: (side, side) from 0 to 1."""
    rows, columns = np.mgrid[: 2 * side, : 2 * side]
    image = np.full((2 * side, 2 * side), random.random())
    for _ in range(count):
        radius = min(60.0, 4 / (random.random() + 1 / 30))
        middle = 2 * side * random.random(2)
        turn = math.pi * random.random()
        off = rows - middle[0], columns - middle[1]
        along = off[0] * math.cos(turn) + off[1] * math.sin(turn)
        across = off[1] * math.cos(turn) - off[0] * math.sin(turn)
        if random.random() < 0.6:
            inside = along**2 + (across * (1 + random.random())) ** 2 < radius**2
        else:
            inside = (abs(along) < radius) & (abs(across) < radius * (0.3 + random.random()))
        brightness = random.random()
        image[inside] = brightness
        if random.random() < 0.3:
            stripes = np.sin(2 * random.random() * (along + across * random.random()))
            image[inside] = np.clip(brightness + 0.3 * random.random() * stripes, 0, 1)[inside]
    return shrunk(image[..., None], 2)[..., 0]
