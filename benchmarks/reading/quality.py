"""Quality by a reference's field (INRIQ) and by weights (Beyond Pixels), beside simple measures.

    python benchmarks/reading/quality.py [--seeds 0 1 2] [--only gauge]

gauge: 32 x 32 crops of three pictures of scikit-image, one for each seed, and five strengths of
noise, blur, contrast and quantisation. A row says whether the distance grows with each step.
categories: crops of 24 x 24 pixels, good (untouched), mid and poor, degraded by noise, blur or
quantisation at random. 180 crops of five pictures teach, 90 of four others judge. One thread.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import skimage.data
import torch
from scipy.ndimage import gaussian_filter, laplace
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from inverse_inr import families, reading

GAUGED = ("cat", "coffee", "astronaut")
TEACHING = ("camera", "coins", "brick", "moon", "grass")
JUDGING = ("astronaut", "coffee", "rocket", "cat")
STRENGTHS: dict[str, tuple[float, ...]] = {
    "noise": (0.01, 0.02, 0.05, 0.1, 0.2),
    "blur": (0.5, 1.0, 1.5, 2.0, 3.0),
    "contrast": (0.9, 0.8, 0.6, 0.4, 0.2),
    "quantisation": (64.0, 32.0, 16.0, 8.0, 4.0),
}
SIDE = 24
OPTIONS = {"width": 64, "depth": 3}
"""Of the gauge's SIREN."""


def grey(name: str) -> np.ndarray:
    """A picture of scikit-image as grey values from 0 to 1, averaged over 2 x 2 pixels."""
    values = np.asarray(getattr(skimage.data, name)()).astype(np.float32) / 255
    if values.ndim == 3:
        values = values[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    height, width = (n // 2 * 2 for n in values.shape)
    return values[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def degraded(image: np.ndarray, kind: str, strength: float, seed: int) -> np.ndarray:
    """An image with more noise or blur, less contrast or fewer levels."""
    if kind == "noise":
        noise = np.random.default_rng(seed).standard_normal(image.shape)
        return (image + strength * noise).astype(np.float32)
    if kind == "blur":
        return gaussian_filter(image, strength)
    if kind == "contrast":
        return image.mean() + strength * (image - image.mean())
    return (np.round(image * (strength - 1)) / (strength - 1)).astype(np.float32)


def gauge(seed: int) -> None:
    """Distances of both normalisations, and the mean squared error beside them."""
    picture = grey(GAUGED[seed % len(GAUGED)])
    corner = [(n - 32) // 2 for n in picture.shape]
    image = np.ascontiguousarray(picture[corner[0] :, corner[1] :][:32, :32])
    began = time.process_time()
    made = reading.QualityGauge(torch.from_numpy(image), options=OPTIONS, seed=seed)
    spent = time.process_time() - began
    print(f"seed {seed}  {GAUGED[seed % 3]}: residual {made.reached:.4f}, {spent:.0f} CPU s")
    for kind, strengths in STRENGTHS.items():
        others = [torch.from_numpy(degraded(image, kind, s, seed)) for s in strengths]
        rows = {
            name: [made.distance(other, name) for other in others]
            for name in ("variance", "profile")
        }
        rows["RMSE"] = [float((o - torch.from_numpy(image)).square().mean().sqrt()) for o in others]
        for name, values in rows.items():
            grows = bool((np.diff(values) > 0).all())
            listed = " ".join(f"{v:8.4f}" for v in values)
            print(f"seed {seed}  {kind:13s} {name:9s} {listed}  monotone: {grows}", flush=True)


def crops(names: tuple[str, ...], count: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Crops in three categories, (count, side, side), and the category of each."""
    draw = np.random.default_rng(seed)
    pictures = [grey(name) for name in names]
    levels = {"noise": (0.03, 0.1), "blur": (0.8, 2.0), "quantisation": (12.0, 5.0)}
    images, labels = [], []
    while len(images) < count:
        picture = pictures[len(images) % len(pictures)]
        top, left = (int(draw.integers(n - SIDE)) for n in picture.shape)
        part = picture[top : top + SIDE, left : left + SIDE]
        if part.std() < 0.05:
            continue
        category = int(draw.integers(3))
        kind = str(draw.choice(list(levels)))
        if category:
            part = degraded(part, kind, levels[kind][category - 1], int(draw.integers(2**31)))
        images.append(part)
        labels.append(category)
    return torch.from_numpy(np.stack(images).astype(np.float32)), np.array(labels)


def statistics(images: Tensor) -> np.ndarray:
    """Six numbers that simple measures of quality use: sharpness, noise and levels."""
    rows = []
    for image in images.numpy():
        second = laplace(image)
        levels = len(np.unique(np.round(image, 3)))
        steps = np.abs(np.diff(image, axis=0))
        rows.append(
            [
                np.log(second.var() + 1e-9),
                np.log(np.median(np.abs(second)) + 1e-6),
                np.log(image.var()),
                np.log(steps.mean() + 1e-6),
                (steps < 1e-6).mean(),
                np.log(levels),
            ]
        )
    return np.array(rows)


def categories(seed: int) -> None:
    """Percent of crops whose category is told by weights, pixels and statistics."""
    began = time.process_time()
    seen, own = crops(TEACHING, 180, 1000 + seed)
    fresh, told = crops(JUDGING, 90, 2000 + seed)
    problems = reading.image_problems(torch.cat([seen, fresh]))
    options = {"width": 32, "depth": 2, "omega0": 30.0}
    fits = families.fit_many(problems, options=options, steps=100, lr=1e-3, seed=seed)
    both = torch.cat([seen, fresh])
    features = {
        "weights": reading.weight_features(fits),
        "heat maps": reading.heat_maps(fits, problems[0].grid),
        "pixels": both.flatten(1).numpy(),
        "six statistics": statistics(both),
    }
    for name, x in features.items():
        x = x.reshape(len(x), -1)
        models = {
            "logistic": LogisticRegression(C=0.01 if x.shape[1] > 50 else 1.0, max_iter=2000),
            "MLP": MLPClassifier((64,), alpha=1.0, max_iter=300, random_state=seed),
        }
        for kind, model in models.items():
            pipe = make_pipeline(StandardScaler(), model).fit(x[: len(seen)], own)
            found = 100 * float(pipe.score(x[len(seen) :], told))
            print(f"seed {seed}  {name:15s} {kind:9s} {found:5.1f} %", flush=True)
    print(f"seed {seed}  categories: {time.process_time() - began:.0f} CPU s", flush=True)


METHODS = {"gauge": gauge, "categories": categories}


def main() -> None:
    """Print the rows of each seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        for method in arguments.only:
            METHODS[method](seed)


if __name__ == "__main__":
    main()
