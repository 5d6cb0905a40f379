"""Labels of generated heads: MetaSeg, IOSNet, a U-Net of their size, and simple lines.

    python benchmarks/reading/segmentation.py [--seeds 0 1 2] [--only metaseg] [--keep FOLDER]

100 heads of 48 x 48 pixels teach (seed s: heads 1000 s + 100000 to 1000 s + 100099), 20 others
judge (1000 s + 100500 ...). "most frequent" is the commonest label of each pixel. The random forest
sees the grey value, three blurs of it and the coordinates of each pixel. All that learn in steps
hold out a tenth of the 100 and keep the best state by it. One thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from anatomy import CLASSES, heads
from scipy.ndimage import gaussian_filter
from torch import Tensor
from unet import size, trained_unet

from inverse_inr import reading
from inverse_inr.metrics import dice, iou

Heads = tuple[list[Tensor], list[Tensor]]
Found = dict[str, tuple[list[Tensor], float, int]]
"""Label maps, seconds of the training, and numbers learnt, of each method."""


def metaseg(seen: Heads, fresh: list[Tensor], seed: int) -> Found:
    """Intensities fitted in a few steps; labels read."""
    checkpoint = None
    if KEEP:
        checkpoint = KEEP[0] / f"metaseg_{seed}.ckpt"
    began = time.process_time()
    made = reading.train_segmenter(
        reading.metaseg(CLASSES),
        reading.image_problems(seen[0]),
        seen[1],
        steps=STEPS[0],
        lr=3e-3,
        seed=seed,
        checkpoint=checkpoint,
        callbacks=[],
    )
    spent = time.process_time() - began
    problems = reading.image_problems(fresh)
    return {
        f"MetaSeg, {steps} steps": (
            [made.labels(p, steps=steps) for p in problems],
            spent,
            made.parameters,
        )
        for steps in (1, 2, 10)
    }


def iosnet(seen: Heads, fresh: list[Tensor], seed: int) -> Found:
    """Features of an encoder interpolated at x."""
    began = time.process_time()
    made = reading.train_segmenter(
        reading.iosnet(CLASSES),
        reading.image_problems(seen[0]),
        seen[1],
        steps=250,
        lr=3e-3,
        seed=seed,
        callbacks=[],
    )
    spent = time.process_time() - began
    problems = reading.image_problems(fresh)
    return {"IOSNet": ([made.labels(p) for p in problems], spent, made.parameters)}


def unet(seen: Heads, fresh: list[Tensor], seed: int) -> Found:
    """A U-Net of about as many numbers as the segmenters."""
    began = time.process_time()
    net = trained_unet(torch.stack(seen[0]), torch.stack(seen[1]), CLASSES, 8, steps=500, seed=seed)
    spent = time.process_time() - began
    with torch.no_grad():
        labels = [net(image[None, None])[0].argmax(0) for image in fresh]
    return {"U-Net": (labels, spent, size(net))}


def simple(seen: Heads, fresh: list[Tensor], seed: int) -> Found:
    """The most frequent label of each pixel, and a random forest of what surrounds it."""
    from sklearn.ensemble import RandomForestClassifier

    counts = torch.nn.functional.one_hot(torch.stack(seen[1]), CLASSES).sum(0)
    found: Found = {"most frequent": ([counts.argmax(-1)] * len(fresh), 0.0, 0)}
    began = time.process_time()
    forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=seed)
    pixels = np.concatenate([surroundings(image) for image in seen[0]])[::8]
    forest.fit(pixels, torch.stack(seen[1]).flatten().numpy()[::8])
    spent = time.process_time() - began
    labels = [
        torch.as_tensor(forest.predict(surroundings(image))).reshape(image.shape) for image in fresh
    ]
    found["random forest"] = (labels, spent, 0)
    return found


def surroundings(image: Tensor) -> np.ndarray:
    """What the forest sees of each pixel, (pixels, 6)."""
    own = image.numpy()
    blurs = [gaussian_filter(own, s) for s in (1.0, 2.0, 4.0)]
    places = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in own.shape), indexing="ij")
    return np.stack([own, *blurs, *places], -1).reshape(-1, 6)


STEPS = [500]
"""Steps of MetaSeg's training."""

KEEP: list[Path] = []
"""A folder in which a long training is kept, if any."""

METHODS: dict[str, Callable[[Heads, list[Tensor], int], Found]] = {
    "simple": simple,
    "unet": unet,
    "iosnet": iosnet,
    "metaseg": metaseg,
}


def main() -> None:
    """Print a row for each method and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--steps", type=int, default=500, help="steps of MetaSeg's training")
    parser.add_argument("--keep", type=Path, nargs=1, default=[], help="folder of checkpoints")
    arguments = parser.parse_args()
    KEEP.extend(arguments.keep)
    STEPS[0] = arguments.steps
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        first = 100_000 + 1000 * seed
        seen, (fresh, truths) = heads(first, 100), heads(first + 500, 20)
        for method in arguments.only:
            for name, (labels, spent, numbers) in METHODS[method](seen, fresh, seed).items():
                pairs = list(zip(labels, truths, strict=True))
                d = torch.stack([dice(a, b, classes=CLASSES) for a, b in pairs]).nanmean(0)[1:]
                i = torch.stack([iou(a, b, classes=CLASSES) for a, b in pairs]).nanmean(0)[1:]
                classes = " ".join(f"{float(v):.3f}" for v in d)
                print(
                    f"seed {seed}  {name:20s} Dice {float(d.mean()):.3f} ({classes})  "
                    f"IoU {float(i.mean()):.3f}  {spent:5.0f} s  {numbers} numbers",
                    flush=True,
                )


if __name__ == "__main__":
    main()
