"""Digits of scikit-learn by what their fields know: weights, codes, heat maps, task-aware starts.

    python benchmarks/reading/digits.py [--seeds 0 1 2] [--only pixels]

450 of the 1797 digits (8 x 8 pixels) judge, always the same; nothing was chosen on them. The other
1347 teach; rows of "450 teach" learn from 450 of them. Logistic regression sees standardised
features; its penalty is chosen of four by a fifth of the digits that teach, and it is then fitted
to all of them. So is the support vector machine's. Every field is a SIREN of 2 layers of 32 units.
Percent of digits read rightly; one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skimage.feature import hog
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import inverse_inr as ii
from inverse_inr import families, reading

OPTIONS = {"width": 32, "depth": 2, "omega0": 10.0}
FIT_STEPS = 50
"""Steps of Adam by which plain weights are fitted, all from one random start."""


@dataclass(frozen=True)
class Digits:
    """The digits as problems, arrays and labels: those that teach first, then those that judge."""

    problems: list[ii.Problem]
    pixels: np.ndarray
    labels: np.ndarray
    taught: int


def digits() -> Digits:
    """The digits, in an order that never changes."""
    found: Any = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(12345))
    order = torch.cat([order[450:], order[:450]])
    images = torch.tensor(found.images / 16.0, dtype=torch.float32)[order]
    problems = reading.image_problems(images)
    taught = len(images) - 450
    return Digits(problems, images.numpy(), found.target[order.numpy()], taught)


def score(data: Digits, features: np.ndarray, kind: str = "logistic") -> float:
    """Percent of the judging digits that a classifier of features reads rightly."""
    n = data.taught
    x = features.reshape(len(features), -1)
    inner = n - n // 5

    def fitted(penalty: float, count: int):
        if kind == "logistic":
            model = LogisticRegression(C=penalty, max_iter=3000)
        else:
            model = SVC(C=penalty)
        return make_pipeline(StandardScaler(), model).fit(x[:count], data.labels[:count])

    choices = (0.001, 0.01, 0.1, 1.0) if kind == "logistic" else (0.3, 1.0, 3.0, 10.0)
    best = max(choices, key=lambda c: fitted(c, inner).score(x[inner:n], data.labels[inner:n]))
    return 100 * float(fitted(best, n).score(x[n:], data.labels[n:]))


def pixels(data: Digits, seed: int) -> dict[str, float]:
    """The images themselves; nothing is drawn."""
    del seed
    return {
        "pixels, logistic": score(data, data.pixels),
        "pixels, support vectors": score(data, data.pixels, "svm"),
    }


def fits(data: Digits, seed: int) -> dict[str, float]:
    """Weights and heat maps of fits from one random start, and their fusion with gradients."""
    data = Digits(
        data.problems[:450] + data.problems[data.taught :],
        np.concatenate([data.pixels[:450], data.pixels[data.taught :]]),
        np.concatenate([data.labels[:450], data.labels[data.taught :]]),
        450,
    )
    solutions = families.fit_many(
        data.problems, options=OPTIONS, steps=FIT_STEPS, lr=1e-3, seed=seed
    )
    maps = reading.heat_maps(solutions, data.problems[0].grid)
    gradients = np.stack(
        [hog(p, 8, pixels_per_cell=(4, 4), cells_per_block=(1, 1)) for p in data.pixels]
    )
    return {
        "450 teach: pixels": score(data, data.pixels),
        "450 teach: weights of fits": score(data, reading.weight_features(solutions)),
        "450 teach: heat maps of fits": score(data, maps),
        "450 teach: histograms of gradients": score(data, gradients),
        "450 teach: heat maps and histograms": score(data, reading.fused([maps, gradients])),
    }


def codes(data: Digits, seed: int) -> dict[str, float]:
    """Codes of a decoder that has seen no label."""
    family = families.Modulated("siren", OPTIONS, code=64)
    family = families.train(
        family, data.problems[: data.taught], steps=200, tasks=16, lr=1e-3, seed=seed, callbacks=[]
    )
    return {"codes, 3 steps": score(data, reading.code_features(family, data.problems))}


def blind(data: Digits, seed: int) -> dict[str, float]:
    """Three steps from a start that has seen no label."""
    seen = data.problems[: data.taught]
    family = families.train(
        families.MetaLearned("siren", OPTIONS),
        seen,
        steps=200,
        tasks=16,
        lr=1e-3,
        seed=seed,
        callbacks=[],
    )
    fields = [family.start(problem) for problem in data.problems]
    return {"weights, 3 steps, start without labels": score(data, reading.weight_features(fields))}


def aware(data: Digits, seed: int) -> dict[str, float]:
    """Three steps from a task-aware start, whose weights a transformer reads."""
    seen = data.problems[: data.taught]
    family = reading.train_classifier(
        reading.TaskAware(10, "siren", OPTIONS),
        seen,
        data.labels[: data.taught].tolist(),
        steps=300,
        tasks=32,
        every=50,
        lr=1e-3,
        seed=seed,
        callbacks=[],
    )
    told = family.probabilities(data.problems[data.taught :]).argmax(1)
    found = {}
    found["task-aware start, 3 steps"] = 100 * float((told == data.labels[data.taught :]).mean())
    found["the same, its features, logistic"] = score(data, family.features(data.problems))
    fits = [family.solve(p) for p in data.problems[data.taught :][:50]]
    errors = [(f.sample().reshape(-1) - f.problem.terms[0].y).square().mean() for f in fits]
    found["its PSNR after 3 steps (dB)"] = -10 * float(torch.stack(errors).mean().log10())
    return found


METHODS: dict[str, Callable[[Digits, int], dict[str, float]]] = {
    "pixels": pixels,
    "fits": fits,
    "codes": codes,
    "blind": blind,
    "aware": aware,
}


def main() -> None:
    """Print a row for each method and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=list(METHODS), choices=list(METHODS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = digits()
    for seed in arguments.seeds:
        for method in arguments.only:
            began = time.process_time()
            for name, value in METHODS[method](data, seed).items():
                print(f"seed {seed}  {name:40s} {value:6.2f}", flush=True)
            print(f"seed {seed}  {method}: {time.process_time() - began:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
