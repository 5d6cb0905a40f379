"""Train the entropy model of `codec.encode(method="wavelet")`, and write its weights as a module.

    python benchmarks/codec/train_model.py --out inverse_inr/codec/wavelet/start.py

The model learns from quantised wavelet bands of pictures that may be tuned on. A file says which
model it was written with: after a new training, older files are refused by name.
"""

from __future__ import annotations

import argparse
import math
import textwrap
from pathlib import Path

import numpy as np
import torch
from pictures import picture
from torch import Tensor

from inverse_inr.codec.wavelet.bands import around, order, turned
from inverse_inr.codec.wavelet.contexts import SIZE, UNIT, neighbour_roots
from inverse_inr.codec.wavelet.filter_bank import levels_of
from inverse_inr.codec.wavelet.model import ONE, WIDTH
from inverse_inr.codec.wavelet.picture import analyse, picture_shape

CROPS = (
    ("astronaut", 1, (0, 0)),
    ("astronaut", 1, (200, 200)),
    ("chelsea", 1, (20, 20)),
    ("coffee", 1, (100, 250)),
    ("coffee", 1, (0, 0)),
    ("rocket", 1, (100, 150)),
    ("astronaut", 2, (0, 0)),
    ("coffee", 1, (140, 60)),
    ("camera", 1, None),
    ("moon", 1, None),
    ("grass", 1, None),
    ("coins", 1, None),
)
"""Picture, shrinking, and place of each crop."""
STEPS = ((0.02, 0.08), (0.03, 0.15), (0.05, 0.25))
"""Step sizes of the quantiser, taken in turn by the crops."""
SEEN = 40_000
"""Coefficients of each crop and step size that are learnt from."""
ROUNDING = 0.4
"""What is added to a magnitude before it is rounded down, about as the encoder does."""


def coefficients(image: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Contexts (context, n) and magnitudes (n,) of a picture's filled bands."""
    seen = analyse(image)
    numbers = {
        band: (np.sign(x) * np.floor(np.abs(x) / step + ROUNDING)).astype(np.int64)
        for band, x in seen.bands.items()
    }
    contexts, magnitudes = [], []
    for band in order(len(seen.lows), levels_of(picture_shape(seen.sizes))):
        here = numbers[band]
        if here.any():
            own = neighbour_roots(turned(np.abs(here), band.kind))
            both = np.concatenate([own, around(numbers, band, here.shape)])
            contexts.append(both.reshape(SIZE, -1))
            magnitudes.append(turned(np.abs(here), band.kind).reshape(-1))
    return np.concatenate(contexts, 1) / UNIT, np.concatenate(magnitudes)


def bits_of(magnitudes: Tensor, spread: Tensor) -> Tensor:
    """Bits of magnitudes, signs left out, where log2 of the spread is predicted."""
    rate = torch.exp2(-spread.clamp(-4, 7.9))
    zero = torch.log((1 - torch.exp(-0.5 * rate)).clamp(min=1e-9))
    other = (0.5 - magnitudes) * rate + torch.log(0.5 * (1 - torch.exp(-rate)))
    return -torch.where(magnitudes == 0, zero, other).clamp(min=-11.5) / math.log(2)


def trained(contexts: Tensor, magnitudes: Tensor, steps: int) -> list[Tensor]:
    """Weights of the three layers."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(WIDTH, SIZE, generator=generator) * (1 / SIZE) ** 0.5
    second = torch.randn(WIDTH, WIDTH + 1, generator=generator) * (1.5 / WIDTH) ** 0.5
    third = torch.randn(1, WIDTH + 1, generator=generator) * 0.1
    weights = [w.requires_grad_() for w in (first, second, third)]
    adam = torch.optim.Adam(weights)
    for step in range(steps):
        rate = 1e-5 + 5e-3 * (1 + math.cos(math.pi * step / steps))
        adam.param_groups[0]["lr"] = rate
        chosen = torch.randint(len(magnitudes), (4096,), generator=generator)
        h = torch.relu(first @ contexts[:, chosen])
        h = torch.relu(second[:, :-1] @ h + second[:, -1:])
        spread = (third[:, :-1] @ h + third[:, -1:])[0]
        loss = bits_of(magnitudes[chosen], spread).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        if step % 1000 == 0:
            print(f"step {step}: {float(loss.detach()):.4f} bits a coefficient", flush=True)
    return [w.detach() for w in weights]


def module_of(weights: list[Tensor]) -> str:
    """The text of a module that holds the weights."""
    numbers = torch.cat([torch.round(w * ONE).reshape(-1) for w in weights])
    text = numbers.numpy().astype("<i2").tobytes().hex()
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(text, 92))
    return f'''"""The weights of the entropy model, which `benchmarks/codec/train_model.py` made."""

from __future__ import annotations

import hashlib

import numpy as np

from inverse_inr.codec.wavelet.model import model_of

WEIGHTS = (
{lines}
)
"""{len(numbers)} whole numbers of two bytes each, hexadecimal."""
_BYTES = bytes.fromhex(WEIGHTS)
MODEL = model_of(np.frombuffer(_BYTES, "<i2").astype(np.int64))
"""The entropy model of all pictures."""
MARK = hashlib.sha256(_BYTES).digest()[0]
"""What a file says of the model that it was written with."""
'''


def main() -> None:
    """Train, and write the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    contexts, magnitudes = [], []
    for number, (name, shrink, at) in enumerate(CROPS):
        image = picture(name, shrink=shrink, at=at)
        for step in STEPS[number % len(STEPS)]:
            seen, values = coefficients(image, step)
            chosen = random.permutation(len(values))[:SEEN]
            contexts.append(torch.from_numpy(seen[:, chosen]).float())
            magnitudes.append(torch.from_numpy(values[chosen]).float())
    weights = trained(torch.cat(contexts, 1), torch.cat(magnitudes), options.steps)
    options.out.write_text(module_of(weights))


if __name__ == "__main__":
    main()
