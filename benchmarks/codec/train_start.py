"""Train the start of `codec.encode(method="latent")`, and write its weights as modules.

    python benchmarks/codec/train_start.py --out inverse_inr/codec/latent

The two networks are trained on crops of pictures that may be tuned on, which the wavelet method has
rounded by several step sizes. A file says which start it was written with: after a new training,
older files are refused by name.
"""

from __future__ import annotations

import argparse
import math
import textwrap
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pictures import picture
from torch import Tensor
from train_model import CROPS

from inverse_inr.codec.latent.coding import around
from inverse_inr.codec.latent.contexts import NEAR, OTHERS, UNIT, Layout, flags, signed_roots
from inverse_inr.codec.latent.floating import Joining, bits, decided, mended, widened
from inverse_inr.codec.latent.networks import ENTROPY, ONE, SHAPES
from inverse_inr.codec.planes import planes_of
from inverse_inr.codec.wavelet.contexts import roots
from inverse_inr.codec.wavelet.picture import analyse, quantise
from inverse_inr.codec.wavelet.start import MODEL

MORE = (
    ("chelsea", 1, (20, 190)),
    ("coffee", 1, (140, 340)),
    ("rocket", 1, (160, 330)),
    ("astronaut", 1, (230, 10)),
)
"""Crops beside those of the wavelets' entropy model."""
FILLED = (0.010, 0.035, 0.090)
"""Parts of the coefficients that a step size leaves, about, of which each crop takes two."""
SEEN = 60_000
"""Latents of each crop and step size that are learnt from."""
SIDE = 64
"""Rows and columns of what the synthesis learns from at once."""
BATCH = 8
"""How many of them."""


START_SYNTHESIS = '''"""The start of the synthesis, made by `benchmarks/codec/train_start.py`."""

NUMBERS = (
@
)
"""Low bytes of whole numbers, then high ones, compressed, hexadecimal."""
'''
START = '''"""The networks that fits begin with, made by `benchmarks/codec/train_start.py`."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from inverse_inr.codec.causal import Whole
from inverse_inr.codec.latent.networks import unpacked
from inverse_inr.codec.latent.start_synthesis import NUMBERS as SYNTHESIS

NUMBERS = (
@
)
"""Low bytes of the entropy model's whole numbers, then high ones, compressed, hexadecimal."""


def _numbers(text: str) -> Whole:
    planes = np.frombuffer(zlib.decompress(bytes.fromhex(text)), np.uint8).reshape(2, -1)
    return np.ascontiguousarray(planes.T).view("<i2").reshape(-1).astype(np.int64)


_ALL = np.concatenate([_numbers(NUMBERS), _numbers(SYNTHESIS)])
START = unpacked(_ALL)
"""The start of all pictures, by name, in units of 1 / ONE."""
MARK = hashlib.sha256(_ALL.astype("<i2").tobytes()).digest()[0]
"""What a file says of the start that it was written with."""
'''


class Examples(NamedTuple):
    """What is learnt from.

    Attributes:
        contexts: (SIZE, n).
        latents: (n,) whole numbers.
        signs: (SIGNED, n) signed roots.
        kinds: (n,) kinds of their bands.
        pairs: (PLANES, rows, columns) of planes as they come back and as they were, in steps.
    """

    contexts: Tensor
    latents: Tensor
    signs: Tensor
    kinds: Tensor
    pairs: list[tuple[Tensor, Tensor]]


def examples() -> Examples:
    """Crops as the wavelet method rounds them."""
    random = np.random.default_rng(0)
    found: list[list[Tensor]] = []
    pairs = []
    for number, (name, shrink, at) in enumerate(CROPS + MORE):
        image = np.round(picture(name, shrink=shrink, at=at) * 255) / 255
        seen = analyse(image)
        planes = torch.from_numpy(planes_of(image, seen.colours)).float()
        layout = Layout((image.shape[0], image.shape[1]), len(planes))
        joining = Joining((image.shape[0], image.shape[1]), layout.levels)
        sizes = np.concatenate([np.abs(band).reshape(-1) for band in seen.bands.values()])
        for shift in range(2):
            filled = FILLED[(number + shift) % len(FILLED)]
            step = float(np.quantile(sizes, 1 - filled)) / 0.62
            rounded, _ = quantise(seen, MODEL, step, False)
            latents = layout.joined(rounded.bands)
            bands = {b: torch.from_numpy(v).float() for b, v in rounded.bands.items()}
            lows = torch.from_numpy(np.stack(rounded.lows)).float()
            pairs.append((widened(joining(lows, bands)), widened(planes / step)))
            found.append(sampled(layout, latents, random))
    contexts, latents, signs, kinds = (torch.cat(part, -1) for part in zip(*found, strict=True))
    return Examples(contexts, latents, signs, kinds, pairs)


def sampled(layout: Layout, latents: np.ndarray, random: np.random.Generator) -> list[Tensor]:
    """Contexts, latents, signs and kinds of some latents of a picture."""
    sums = around(layout, latents)
    found = []
    for band, place in layout.places.items():
        own = latents[place.first : place.last]
        if own.any():
            seen = layout.seen(band)
            told = np.repeat(flags(band)[:, None], len(own), 1)
            others = sums[seen[-OTHERS:]]
            contexts = np.concatenate([roots(np.abs(latents))[seen], others, told])
            signed = np.concatenate([seen[:NEAR], seen[-2:]])
            kinds = np.full((1, len(own)), band.kind)
            here = np.concatenate([contexts, own[None], signed_roots(latents)[signed], kinds])
            found.append(here)
    everything = np.concatenate(found, 1)
    chosen = random.permutation(everything.shape[1])[:SEEN]
    numbers = torch.from_numpy(everything[:, chosen]).float()
    size = SHAPES["context"][1]
    return [
        numbers[:size] / UNIT,
        numbers[size],
        numbers[size + 1 : -1] / UNIT,
        numbers[-1].long(),
    ]


def begun() -> dict[str, Tensor]:
    """Random networks."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, shape in SHAPES.items():
        inputs = math.prod(shape[1:])
        size = (2 / inputs) ** 0.5
        if name in ("decisions", "after"):
            size *= 0.02
        if name.endswith("bias") or name == "sign":
            size = 0.0
        found[name] = (torch.randn(*shape, generator=generator) * size).requires_grad_()
    return found


def rate_at(part: float, largest: float) -> float:
    """A learning rate that falls like a cosine, after a short rise."""
    return 1e-5 + largest * 0.5 * (1 + math.cos(math.pi * part)) * min(1.0, 100 * part + 0.01)


def train_entropy(networks: dict[str, Tensor], known: Examples, steps: int) -> None:
    """Train the entropy model."""
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam([networks[name] for name in ENTROPY])
    total = 0.0
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate_at(step / steps, 8e-3)
        chosen = torch.randint(len(known.latents), (4096,), generator=generator)
        logits = decided(networks, known.contexts[:, chosen])
        sign = (networks["sign"][known.kinds[chosen]] * known.signs[:, chosen].T).sum(1)
        loss = bits(known.latents[chosen], logits, sign).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        total += float(loss.detach())
        if step % 1000 == 999:
            print(f"entropy model, step {step + 1}: {total / 1000:.4f} bits a latent", flush=True)
            total = 0.0


def train_synthesis(networks: dict[str, Tensor], known: Examples, steps: int) -> None:
    """Train the synthesis, with planes exchanged for their negatives and rows for columns."""
    generator = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(
        [value for name, value in networks.items() if name not in ENTROPY], betas=(0.9, 0.99)
    )
    gain = 0.0
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate_at(step / steps, 2e-3)
        batch = [patch(known, generator) for _ in range(BATCH)]
        coded, wanted = (torch.stack(part) for part in zip(*batch, strict=True))
        before = (coded - wanted).square().mean((1, 2, 3)).log().mean()
        after = (mended(networks, coded) - wanted).square().mean((1, 2, 3)).log().mean()
        adam.zero_grad()
        after.backward()
        adam.step()
        gain += float(before - after.detach())
        if step % 500 == 499:
            decibels = 10 / math.log(10) * gain / 500
            seconds = time.process_time()
            print(f"synthesis, step {step + 1}: {decibels:.3f} dB, {seconds:.0f} s", flush=True)
            gain = 0.0


def patch(known: Examples, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A part of a picture as it comes back and as it was."""
    (number,) = torch.randint(len(known.pairs), (1,), generator=generator).tolist()
    pair = known.pairs[number]
    starts = [
        2 * int(torch.randint((n - SIDE) // 2 + 1, (1,), generator=generator))
        for n in (pair[0].shape[1:])
    ]
    rows, columns = (slice(start, start + SIDE) for start in starts)
    signs = torch.sign(torch.rand(len(pair[0]), 1, 1, generator=generator) - 0.5)
    coded, wanted = (planes[:, rows, columns] * signs for planes in pair)
    if torch.rand(1, generator=generator) < 0.5:
        return coded.mT, wanted.mT
    return coded, wanted


def text_of(networks: dict[str, Tensor], entropy: bool) -> str:
    """The lines of one network's numbers: low bytes, then high ones, compressed, hexadecimal."""
    parts = [
        torch.round(value.detach() * ONE).reshape(-1)
        for name, value in networks.items()
        if (name in ENTROPY) == entropy
    ]
    numbers = torch.cat(parts).clamp(-(1 << 15), (1 << 15) - 1).numpy().astype("<i2")
    planes = numbers.view(np.uint8).reshape(-1, 2).T.tobytes()
    lines = textwrap.wrap(zlib.compress(planes, 9).hex(), 92)
    return "\n".join(f'    "{line}"' for line in lines)


def write_modules(networks: dict[str, Tensor], folder: Path) -> None:
    """Write the two modules that hold the networks."""
    texts = {"start.py": (START, True), "start_synthesis.py": (START_SYNTHESIS, False)}
    for name, (text, entropy) in texts.items():
        (folder / name).write_text(text.replace("@", text_of(networks, entropy)))


def main() -> None:
    """Train, and write the modules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the modules")
    parser.add_argument("--entropy", type=int, default=10_000, help="steps of the entropy model")
    parser.add_argument("--synthesis", type=int, default=6_000, help="steps of the synthesis")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = examples()
    networks = begun()
    train_entropy(networks, known, options.entropy)
    train_synthesis(networks, known, options.synthesis)
    write_modules(networks, options.out)


if __name__ == "__main__":
    main()
