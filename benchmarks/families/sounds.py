"""Sounds as fields: a generator of their weights (HyperSound), two heads on one trunk (Siamese).

    python benchmarks/families/sounds.py [--seeds 0 1 2] [--steps 300]

Tones, chirps and noise bursts of 2,048 samples at 8 kHz, with random pitches, times and loudness.
All fields are SIRENs (3 layers of 24, first omega0 for 500 Hz, 60 in the others, as suits the
three sounds of seed 7, which is not reported), about 1,300 weights. The fidelity
is L1 and `MultiResolutionSTFT`, or L1 alone. 300 sounds teach the families; 6 others, two of a
kind, judge. "HyperSound" makes the weights of a SIREN from 128 numbers; the conditioned family
gives a decoder 5 features at each of 256 times, as many numbers as a field has weights. The Siamese
field has two heads that both fit the sound; their mean is heard. "DCT" are the 650 largest cosine
coefficients, whose values and places are as many numbers. SNR in dB; STFT is the fidelity of the
spectrograms, 0 for the same. One thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import numpy as np
import torch
from scipy.fft import dct, idct
from torch import Tensor, nn

import inverse_inr as ii
from inverse_inr import families
from inverse_inr.fidelity import L1, MultiResolutionSTFT

SAMPLES = 2048
BOX = ii.Box((0.0,), (0.256,), ("s",))
GRID = ii.Grid(BOX, (SAMPLES,))
HEARD = MultiResolutionSTFT(SAMPLES, (64, 256, 1024))
OPTIONS = {"width": 24, "depth": 3, "first_omega0": math.pi * 0.256 * 500.0, "omega0": 60.0}
DECODER = {"width": 24, "depth": 2, "first_omega0": 2.0, "omega0": 2.0}
COEFFICIENTS = 650


def same(image: Tensor) -> Tensor:
    """The identity, as a map of images."""
    return image


WHOLE = ii.OnGrid(same, GRID, GRID.shape)


def sound(kind: int, generator: torch.Generator) -> Tensor:
    """A tone, a chirp or a burst of noise: (samples,)."""
    t = GRID.points(torch.float64)[:, 0]
    pitch, loud, place, other = torch.rand(4, generator=generator, dtype=torch.float64)
    low, high = 200 + 800 * pitch, 200 + 800 * other
    phase = 2 * math.pi * low * t
    if kind == 1:
        phase = 2 * math.pi * (low * t + (high - low) * t.square() / (2 * BOX.lengths[0]))
    wave = torch.sin(phase)
    if kind == 2:
        noise = torch.randn(SAMPLES, generator=generator, dtype=torch.float64)
        spectrum = torch.fft.rfft(noise)
        hertz = torch.fft.rfftfreq(SAMPLES, 1 / 8000)
        wave = torch.fft.irfft(spectrum * (hertz < 1000), SAMPLES)
        wave = wave / wave.abs().max()
    envelope = torch.exp(-0.5 * ((t / BOX.lengths[0] - 0.2 - 0.6 * place) / 0.12).square())
    return ((0.3 + 0.7 * loud) * envelope * wave).float()


def problem(y: Tensor, *, spectrograms: bool = True, heads: int = 1) -> ii.Problem:
    """A sound heard sample by sample."""
    if heads > 1:
        y = y[:, None].expand(-1, heads).clone()
    terms = [ii.Term(WHOLE, y, L1())]
    if spectrograms:
        terms.append(ii.Term(WHOLE, y, HEARD, weight=0.02))
    return ii.Problem(terms, BOX, GRID, channels=heads, average=1)


def scores(found: Sequence[Tensor], sounds: Sequence[Tensor]) -> str:
    """Mean SNR in dB and mean distance of spectrograms."""
    ratios, heard = [], []
    for image, y in zip(found, sounds, strict=True):
        x = image.reshape(SAMPLES, -1).mean(1)
        ratios.append(10 * (y.square().sum() / (x - y).square().sum()).log10())
        heard.append(HEARD(x, y))
    return (
        f"{float(torch.stack(ratios).mean()):7.2f} dB  STFT {float(torch.stack(heard).mean()):.3f}"
    )


def encoder() -> nn.Module:
    """Strided convolutions that keep what sounds when: (b, 1, samples) -> (b, 128, 1)."""
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for n, m in ((1, 16), (16, 32), (32, 32), (32, 32), (32, 16)):
        parts += [nn.Conv1d(n, m, 9, stride=4, padding=4), nn.GELU()]
    return nn.Sequential(*parts, nn.Flatten(), nn.LazyLinear(128), nn.Unflatten(1, (128, 1)))


def listener() -> nn.Module:
    """Strided convolutions that hear what sounds at each time: (b, 1, samples) -> (b, 5, 256)."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 64, 33, stride=8, padding=16),
        nn.GELU(),
        nn.Conv1d(64, 64, 5, padding=2),
        nn.GELU(),
        nn.Conv1d(64, 5, 5, padding=2),
    )


def measure(seed: int, steps: int) -> None:
    """Print the scores of each method."""
    generator = torch.Generator().manual_seed(seed)
    seen = [problem(sound(k % 3, generator)) for k in range(300)]
    sounds = [sound(k % 3, generator) for k in range(6)]

    def note(name: str, images: Sequence[Tensor], began: float) -> None:
        seconds = time.process_time() - began
        print(f"seed {seed}  {name:34s} {scores(images, sounds)}  {seconds:6.1f} CPU s", flush=True)

    began = time.process_time()
    kept = []
    for y in sounds:
        spectrum = np.asarray(dct(y.double().numpy(), norm="ortho"))
        spectrum[abs(spectrum).argsort()[:-COEFFICIENTS]] = 0
        kept.append(torch.from_numpy(idct(spectrum, norm="ortho")).float())
    note("DCT", kept, began)
    for name, options in {
        "plain fit, L1": {"spectrograms": False},
        "plain fit, L1 and STFT": {},
        "Siamese fit, L1 and STFT": {"heads": 2},
    }.items():
        began = time.process_time()
        fits = families.fit_many(
            [problem(y, **options) for y in sounds], options=OPTIONS, steps=steps, seed=seed
        )
        note(f"{name}, {steps} steps", [fit.sample() for fit in fits], began)
    eye = encoder()
    eye(torch.zeros(2, 1, SAMPLES))
    for name, family, rate in (
        ("HyperSound", families.Generated(eye, "siren", OPTIONS), 1e-3),
        ("conditioned", families.Conditioned(listener(), "siren", DECODER), 2e-3),
    ):
        began = time.process_time()
        taught = families.train(family, seen, steps=steps, lr=rate, seed=seed, callbacks=[])
        images = [taught.solve(problem(y)).sample() for y in sounds]
        note(f"{name}, one pass (and training)", images, began)


def main() -> None:
    """Print a line for each method and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        measure(seed, arguments.steps)


if __name__ == "__main__":
    main()
