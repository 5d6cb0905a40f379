"""Train the start of `codec.encode(method="latent")`, and write its weights as a module.

    python benchmarks/codec/train_start.py --out inverse_inr/codec/latent/start.py

The two networks are fitted to several crops of pictures that may be tuned on at once, each crop
with latents of its own. A file says which start it was written with: after a new training, older
files are refused by name.
"""

from __future__ import annotations

import argparse
import math
import textwrap
import time
from pathlib import Path

import numpy as np
import torch
from pictures import picture
from torch import Tensor
from train_model import CROPS

from inverse_inr.codec.latent.fitting import LATENT_RATE, Fit
from inverse_inr.codec.latent.lattices import LEVELS, lattices
from inverse_inr.codec.latent.networks import HIDDEN, ONE, sizes
from inverse_inr.codec.latent.pyramid import DOUBLING
from inverse_inr.codec.planes import colours_of, planes_of

PLANES = 3
STEPS = (0.06, 0.12, 0.25, 0.15, 0.08, 0.2, 0.3, 0.1)
"""Step sizes of the latents, taken in turn by the crops."""
RATE = 6e-3
"""Largest learning rate of the networks."""


def begun() -> dict[str, Tensor]:
    """Networks whose synthesis adds up the pyramid, and whose entropy model is random."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in sizes(PLANES).items():
        scale = {"context": 26**-0.5, "hidden": 16**-0.5, "spread": 0.05, "after": 0.02}
        found[name] = scale.get(name, 0.0) * torch.randn(shape, generator=generator)
    found["taps"] = torch.tensor(DOUBLING).repeat(LEVELS - 1, 1)
    free = torch.arange(HIDDEN) >= 2 * PLANES
    found["mixing"] = 0.05 * torch.randn(HIDDEN, len(lattices(PLANES)), generator=generator)
    found["mixing"][~free] = 0.0
    found["mixing_bias"] = 0.1 * torch.randn(HIDDEN, generator=generator) * free
    for plane in range(PLANES):
        # what is above zero by one hidden unit, and what is below by another
        for unit, sign in ((2 * plane, 1.0), (2 * plane + 1, -1.0)):
            found["planes"][plane, unit] = sign
            for k, lattice in enumerate(lattices(PLANES)):
                if lattice.plane == plane:
                    found["mixing"][unit, k] = sign
    return {name: value.requires_grad_() for name, value in found.items()}


def crops(count: int, networks: dict[str, Tensor]) -> list[Fit]:
    """Fits of crops that share their networks."""
    found = []
    start = {
        name: (ONE * value.detach()).round().long().numpy() for name, value in networks.items()
    }
    for number, (name, shrink, at) in enumerate(CROPS[:count]):
        image = np.round(picture(name, shrink=shrink, at=at) * 255) / 255
        if image.shape[-1] == 1:
            image = image.repeat(PLANES, -1)
        planes = torch.from_numpy(planes_of(image, colours_of(image))).float()
        fit = Fit(planes, start, STEPS[number % len(STEPS)], seed=number)
        fit.networks = networks
        fit.start = networks
        found.append(fit)
    return found


def train(count: int, steps: int) -> dict[str, Tensor]:
    """Fit networks to crops."""
    networks = begun()
    fits = crops(count, networks)
    shared = torch.optim.Adam(networks.values(), betas=(0.9, 0.99))
    began = time.process_time()
    for step in range(steps):
        number = step % count
        fit = fits[number]
        progress = step / steps
        factor = 0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * progress))
        shared.param_groups[0]["lr"] = RATE * factor
        # the entropy model is random at first: latents wait until it says something
        fit.adam.param_groups[0]["lr"] = LATENT_RATE * factor * (step >= 0.05 * steps)
        error, size = fit.measured(fit.seen_at(progress))
        loss = error / fit.price + size / fit.planes[0].numel()
        fit.adam.zero_grad()
        shared.zero_grad()
        loss.backward()
        fit.adam.step()
        shared.step()
        if step % (20 * count) < count or step >= steps - count:
            quality = -10 * math.log10(float(error.detach()) / PLANES)
            rate = float(size.detach()) / fit.planes[0].numel()
            seconds = time.process_time() - began
            print(
                f"{step} {number} {rate:.3f} bits/pixel {quality:.2f} dB {seconds:.0f} s",
                flush=True,
            )
    return networks


def module_of(networks: dict[str, Tensor]) -> str:
    """The text of a module that holds the networks."""
    parts = [torch.round(value.detach() * ONE).reshape(-1) for value in networks.values()]
    numbers = torch.cat(parts).numpy().astype("<i2")
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(numbers.tobytes().hex(), 92))
    return f'''"""The networks that fits begin with, made by `benchmarks/codec/train_start.py`."""

from __future__ import annotations

import hashlib

import numpy as np

from inverse_inr.codec.latent.networks import unpacked

NUMBERS = (
{lines}
)
"""{len(numbers)} whole numbers of two bytes each, hexadecimal."""
_BYTES = bytes.fromhex(NUMBERS)
START = unpacked(np.frombuffer(_BYTES, "<i2").astype(np.int64), {PLANES})
"""The start of all pictures, by name, in units of 1 / ONE."""
MARK = hashlib.sha256(_BYTES).digest()[0]
"""What a file says of the start that it was written with."""
'''


def main() -> None:
    """Train, and write the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--crops", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.write_text(module_of(train(options.crops, options.steps)))


if __name__ == "__main__":
    main()
