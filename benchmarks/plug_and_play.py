"""Plug-and-play beside total variation: computed tomography of scikit-image's photographs.

    python benchmarks/plug_and_play.py [--images camera brick gravel] [--size 96] [--seed 0]

Strengths and weights are chosen by held-out rays; "oracle" has the weight that is best against the
truth. Times are processor time of one thread.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

import inverse_inr as ii
from inverse_inr import baselines
from inverse_inr.domain import pixel_grid
from inverse_inr.io import write_image
from inverse_inr.problems.ct import ct

PLACES = {"camera": (0.25, 0.35), "brick": (0.5, 0.5), "gravel": (0.5, 0.5)}
"""Where the crop begins, as fractions of what is left beside it."""

METHODS: dict[str, Callable[[ii.Problem], ii.Solution]] = {
    "TV": baselines.tv,
    "TV, oracle": partial(baselines.tv, weight="oracle"),
    "tv": partial(baselines.plug_and_play, denoiser="tv"),
    "nonlocal_means": partial(baselines.plug_and_play, denoiser="nonlocal_means"),
    "bm3d": partial(baselines.plug_and_play, denoiser="bm3d", iterations=4),
}


def photograph(name: str, size: int) -> torch.Tensor:
    """A crop (size, size, 1) of an image whose pixels were averaged two by two."""
    import skimage.data

    whole = np.asarray(getattr(skimage.data, name)(), float) / 255
    half = whole.reshape(whole.shape[0] // 2, 2, whole.shape[1] // 2, 2).mean((1, 3))
    corner = [int(p * (n - size)) for p, n in zip(PLACES[name], half.shape, strict=True)]
    crop = half[corner[0] : corner[0] + size, corner[1] : corner[1] + size]
    return torch.from_numpy(crop)[..., None].float()


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", nargs="*", default=list(PLACES), choices=list(PLACES))
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in words.images:
            path = Path(folder) / f"{name}.npz"
            write_image(path, photograph(name, words.size), pixel_grid((words.size, words.size)))
            for noise in (0.02, 0.005):
                for views in (60, 30):
                    problem = ct(
                        str(path), size=words.size, views=views, noise_level=noise, seed=words.seed
                    )
                    print(f"{name}, {noise:.1%}, {views} views: {_line(problem)}", flush=True)


def _line(problem: ii.Problem) -> str:
    parts = []
    for method, solve in METHODS.items():
        began = time.process_time()
        found = solve(problem)
        parts.append(f"{method} {found.psnr():.2f} ({time.process_time() - began:.0f} s)")
    return "; ".join(parts)


if __name__ == "__main__":
    main()
