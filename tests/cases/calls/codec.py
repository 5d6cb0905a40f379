"""Calls that work of fields as files."""

from __future__ import annotations

from collections.abc import Callable

import torch
from cases.calls.components import GRID, SQUARE, problem
from cases.calls.judge import Good

from inverse_inr import Solution, codec, priors


def _codec() -> list[Good]:
    field = priors.siren(SQUARE, width=8, depth=1)
    solution = Solution(field, problem(), "siren")
    data = codec.encode(solution, bits_per_sample=40.0, finish=0)

    def decoded(found: bytes) -> torch.Tensor:
        return codec.decode_image(found)

    options = {"bits_per_sample": 40.0, "finish": 1, "seed": 0}
    image = torch.rand(*GRID.shape, 1, generator=torch.Generator().manual_seed(0))
    return [
        Good("encode", codec.encode, {"source": solution, **options}, decoded, fixed=("finish",)),
        Good(
            "encode",
            codec.encode,
            {"source": image, **options, "steps": 1},
            decoded,
            fixed=("steps", "finish"),
            names=("siren",),
        ),
        Good(
            "encode",
            codec.encode,
            {"source": image, "bits_per_sample": 40.0, "method": "wavelet"},
            decoded,
            names=("wavelet",),
        ),
        Good(
            "encode",
            codec.encode,
            {
                "source": image,
                "bits_per_sample": 40.0,
                "method": "latent",
                "steps": 1,
                "seed": 0,
            },
            decoded,
            fixed=("steps",),
            names=("latent",),
        ),
        Good("grid_of", codec.grid_of, {"data": data}, lambda grid: grid.points()),
        Good("decode", codec.decode, {"data": data}, lambda f: f(SQUARE.random_points(3))),
        Good("decode_image", codec.decode_image, {"data": data}),
    ]


ROOMS: dict[str, Callable[[], list[Good]]] = {"codec": _codec}
