"""The classical way to find a coefficient: differences inside, Gauss-Newton on nodes around.

    min over m = log k:  Σ_i (u(m)(x_i) - y_i)² / σ²  +  λ R(m),     R = ∫ |∇m|²  or  2 ∫ |∇m|

λ is the one that predicts best the measured points that were kept out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution
from inverse_inr.problems.fields.diffusion import Diffusion
from inverse_inr.problems.fields.judging import KEPT_OUT
from inverse_inr.ranges import checked
from inverse_inr.solver import Ended

WEIGHTS = tuple(10.0 ** (2 - k / 2) for k in range(10))
"""The weights λ that are tried, each begun where the one before ended."""

STEPS = {"first": 15, "next": 4}
"""Most Gauss-Newton steps at the first weight and at each of the others."""

EDGE = 1e-2
"""Slope of log k, as a fraction of one per unit, below which total variation is rounded off."""


@dataclass(frozen=True)
class Sensors:
    """Values of u at points.

    Args:
        points: (n, 2).
        values: (n,).
        noise: Their standard deviation.
    """

    points: Tensor
    values: Tensor
    noise: float

    def some(self, chosen: Tensor) -> Sensors:
        """Those with chosen (n,) numbers or flags."""
        return Sensors(self.points[chosen], self.values[chosen], self.noise)


@checked
def invert(
    model: Diffusion,
    sensors: Sensors,
    problem: Problem,
    penalty: Literal["H1", "TV"],
) -> Solution:
    """Find a coefficient from values of u by Gauss-Newton, with the weight that points choose.

    Args:
        model: Diffusion on nodes.
        sensors: The measured values.
        problem: The problem.
        penalty: R, "H1" or "TV".

    Returns:
        u and k, bilinear between the nodes, as two channels.
    """
    began = time.perf_counter()
    flags = torch.arange(len(sensors.values)) % KEPT_OUT == 0
    fitted, kept = sensors.some(~flags), sensors.some(flags)
    m = np.zeros(model.nodes.numel)
    scores = {}
    states = {}
    for weight in WEIGHTS:
        steps = STEPS["next"] if scores else STEPS["first"]
        m = _gauss_newton(model, fitted, penalty, weight, m, steps)
        u = model.solve(m)[0]
        left = model.sample(kept.points) @ u - kept.values.double().numpy()
        scores[weight] = float(np.mean(left**2)) / sensors.noise**2
        states[weight] = m
    weight = min(scores, key=lambda w: scores[w])
    m = _gauss_newton(model, sensors, penalty, weight, states[weight], STEPS["first"])
    u = model.solve(m)[0]
    shape = model.nodes.shape
    both = np.stack([u.reshape(shape), np.exp(m).reshape(shape)], -1)
    look = SampledField(torch.from_numpy(both), model.nodes).__call__
    return Solution(
        look,
        problem,
        f"Gauss-Newton, {penalty}",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", f"{model.nodes.shape[0]} nodes an axis"),
        details={
            "weight": weight,
            "misfit of points kept out by weight": {f"{w:.2g}": s for w, s in scores.items()},
        },
    )


def _gauss_newton(
    model: Diffusion, sensors: Sensors, penalty: str, weight: float, m: np.ndarray, steps: int
) -> np.ndarray:
    """Steps of Gauss-Newton from m until the objective falls by less than a thousandth."""
    seen = model.sample(sensors.points)
    y = sensors.values.double().numpy()
    u, factors = model.solve(m)
    value = _objective(model, seen @ u - y, sensors.noise, penalty, weight, m)
    for _ in range(steps):
        jacobian = model.slopes(m, u, factors, seen)
        roughness = _roughness(model, penalty, m)
        smooth = roughness.solve(jacobian.T)
        inside = jacobian @ smooth + weight * sensors.noise**2 * np.eye(len(y))
        target = smooth @ np.linalg.solve(inside, y - seen @ u + jacobian @ m)
        before = value
        length = 1.0
        while length > 1e-3:
            tried = m + length * (target - m)
            u_tried, factors_tried = model.solve(tried)
            now = _objective(model, seen @ u_tried - y, sensors.noise, penalty, weight, tried)
            if now < value:
                m, u, factors, value = tried, u_tried, factors_tried, now
                break
            length /= 2
        if before - value < 1e-3 * before:
            break
    return m


def _slopes_of(model: Diffusion, m: np.ndarray) -> np.ndarray:
    return model.steps @ m


def _objective(
    model: Diffusion,
    left: np.ndarray,
    noise: float,
    penalty: str,
    weight: float,
    m: np.ndarray,
) -> float:
    slopes = _slopes_of(model, m)
    area = 1 / (model.nodes.shape[0] - 1) ** 2
    rough = float(np.sum(slopes**2)) * area
    if penalty == "TV":
        rough = 2 * float(np.sum(np.sqrt(slopes**2 + EDGE**2))) * area
    return float(np.sum(left**2)) / noise**2 + weight * rough


def _roughness(model: Diffusion, penalty: str, m: np.ndarray) -> Any:
    """The factorised matrix L of R ≈ m' L m at m, with a trace of m' m that fixes the constant."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    area = 1 / (model.nodes.shape[0] - 1) ** 2
    slopes = _slopes_of(model, m)
    factor = np.full(len(slopes), area)
    if penalty == "TV":
        factor = area / np.sqrt(slopes**2 + EDGE**2)
    d = model.steps
    matrix = d.T @ sparse.diags(factor) @ d + 1e-4 * area * sparse.eye(len(m))
    return splu(matrix.tocsc())
