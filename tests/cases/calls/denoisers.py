"""Good calls of denoisers, for `judge.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from cases.calls.components import GRID, problem
from cases.calls.judge import Good

from inverse_inr import baselines, denoisers


def _denoisers() -> list[Good]:
    image = GRID.points()[..., :1]

    def clean(denoiser: Any) -> torch.Tensor:
        return denoiser(image, 0.1)

    d = denoisers
    tv = {"strength": 1.0, "iterations": 5, "tolerance": 0.0}
    patches = {"patch": 3, "search": 2, "neighbours": 4, "stride": 2}
    collaborative = {"search": 4, "stride": 2, "threshold": 2.5, "axis": 0}
    network = {"module": torch.nn.Dropout(), "span": (0.0, 1.0), "channels": 1, "axis": 0}
    annealing = {"problem": problem(), "denoiser": "tv", "start": 0 * image, "largest": 0.2}
    annealing |= {"least": 0.1, "iterations": 2, "coupling": 0.2, "seed": 0}
    draw = {"problem": problem(), "eps_model": lambda x, t: 0.1 * x, "span": (0.0, 1.0), "steps": 2}
    draw |= {"spread": 1.0, "perturbed": True, "renewed": 1.0, "samples": 2, "inner": 3, "seed": 0}
    return [
        Good("diffusion", baselines.diffusion, draw, lambda solution: solution.sample()),
        Good("TotalVariation", d.TotalVariation, tv, clean),
        Good("WaveletShrinkage", d.WaveletShrinkage, {"levels": 2, "shifts": 3}, clean),
        Good("NonLocalMeans", d.NonLocalMeans, {"patch": 3, "search": 2, "strength": 1.0}, clean),
        Good("PatchGaussians", d.PatchGaussians, patches, clean),
        Good("CollaborativeFilter", d.CollaborativeFilter, collaborative, clean),
        Good("Network", d.Network, network),
        Good("TrainedNetwork", d.TrainedNetwork, {"turned": False, "span": (0.0, 1.0)}, clean),
        Good("UNet", d.UNet, {"widths": (4, 6), "blocks": (1, 1)}),
        Good("annealed", baselines.annealed, annealing, lambda solution: solution.sample()),
        Good("as_denoiser", d.as_denoiser, {"denoiser": "tv", "iterations": 5}, clean),
        Good("TotalVariation.x", d.TotalVariation(), {"x": image, "sigma": 0.1}),
        Good("ddpm_schedule", baselines.ddpm_schedule, {"steps": 5, "first": 1e-4, "last": 0.02}),
        Good("proximal_tv", d.proximal_tv, {"x": image, "weight": 0.1, "iterations": 3}),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {"denoisers": _denoisers}
"""The good calls of each room, made when they are asked for."""
