"""A start learnt from crops of pictures, on crops of other pictures, after three steps.

    python benchmarks/families/crops.py [--seeds 0 1 2] [--steps 250]

200 crops of 48 x 48 pixels, averaged to 24 x 24, of five pictures of scikit-image teach a SIREN
(3 layers of 64, omega0 30) its start and its step sizes. 24 crops of four other pictures judge it.
The standard start gets three steps of gradient descent of the best single size for the training
crops, and three steps of Adam at the best of four rates on them. Peak 1; one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import skimage.data
import torch
from torch import Tensor

import inverse_inr as ii
from inverse_inr import families
from inverse_inr.domain import pixel_grid
from inverse_inr.fidelity import L2

SIDE = 24
GRID = pixel_grid((SIDE, SIDE))
TEACHING = ("camera", "coins", "brick", "moon", "grass")
JUDGING = ("astronaut", "coffee", "rocket", "cat")
FLAT = 0.02
"""Deviation of grey values below which a crop shows nothing."""
OPTIONS = {"width": 64, "depth": 3, "omega0": 30.0}


def grey(name: str) -> Tensor:
    """A picture of scikit-image as grey values from 0 to 1."""
    values = np.asarray(getattr(skimage.data, name)()).astype(np.float32) / 255
    if values.ndim == 3:
        values = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    return torch.from_numpy(values)


def same(image: Tensor) -> Tensor:
    """The identity, as a map of images."""
    return image


WHOLE = ii.OnGrid(same, GRID, GRID.shape)


def crops(names: Sequence[str], count: int, generator: torch.Generator) -> list[ii.Problem]:
    """Random crops of pictures in turn, each a problem whose measurements are its pixels.

    Crops of nothing but sky or ground are drawn again: every method fits those.
    """
    pictures = {name: grey(name) for name in names}
    made: list[ii.Problem] = []
    while len(made) < count:
        picture = pictures[names[len(made) % len(names)]]
        corner = [int(torch.randint(n - 2 * SIDE, (), generator=generator)) for n in picture.shape]
        part = picture[corner[0] :, corner[1] :][: 2 * SIDE, : 2 * SIDE]
        y = part.reshape(SIDE, 2, SIDE, 2).mean((1, 3)).reshape(-1)
        if y.std() > FLAT:
            made.append(ii.Problem([ii.Term(WHOLE, y, L2())], GRID.box, GRID, average=1))
    return made


def psnr(solutions: Sequence[ii.Solution]) -> float:
    """Mean PSNR in dB, peak 1."""
    values = [
        -10 * (s.sample().reshape(-1) - s.problem.terms[0].y).square().mean().log10()
        for s in solutions
    ]
    return float(torch.stack(values).mean())


def measure(seed: int, steps: int) -> dict[str, float]:
    """PSNR of each start."""
    generator = torch.Generator().manual_seed(seed)
    seen = crops(TEACHING, 200, generator)
    fresh = crops(JUDGING, 24, generator)
    family = families.MetaLearned("siren", OPTIONS)
    # untrained, its step sizes are all the one best for the first crops
    untrained = families.Training(family, seen, seed=seed).family
    found = {"gradient descent, 3 steps": psnr([untrained.solve(p) for p in fresh])}
    tried = {
        lr: psnr(families.fit_many(seen[:24], options=OPTIONS, steps=3, lr=lr, seed=seed))
        for lr in (1e-4, 3e-4, 1e-3, 3e-3)
    }
    best = max(tried, key=lambda lr: tried[lr])
    found["Adam, 3 steps"] = psnr(
        families.fit_many(fresh, options=OPTIONS, steps=3, lr=best, seed=seed)
    )
    began = time.process_time()
    taught = families.train(family, seen, steps=steps, lr=3e-3, seed=seed, callbacks=[])
    found["CPU seconds of the training"] = time.process_time() - began
    for count in (1, 3, 10):
        found[f"learnt start, {count} steps"] = psnr([taught.solve(p, steps=count) for p in fresh])
    found["Adam, 300 steps"] = psnr(
        families.fit_many(fresh, options=OPTIONS, steps=300, lr=1e-3, seed=seed)
    )
    return found


def main() -> None:
    """Print the table of each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=250)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        for name, value in measure(seed, arguments.steps).items():
            print(f"seed {seed}  {name:32s} {value:7.2f}", flush=True)


if __name__ == "__main__":
    main()
