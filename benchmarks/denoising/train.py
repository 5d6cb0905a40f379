"""Train the network of `denoisers.TrainedNetwork`, and write the file that the library reads.

    python benchmarks/denoising/train.py FOLDER [--minutes 45] [--out photographs.safetensors]

FOLDER holds the unpacked pictures that `pictures.py` names. The minutes are processor time of one
thread. Printed is the mean PSNR (dB) on pictures that are not trained on, beside NL-Bayes.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from pictures import JUDGING, Crops, photographs, shrunk

from inverse_inr.denoisers import PatchGaussians, UNet

LEVELS = (0.008, 0.35)
"""The least and the largest noise that is trained on."""
JUDGED = (10 / 255, 25 / 255, 50 / 255)
"""Noise at which the networks are judged."""
BATCH = 16
RATE = 1e-3
"""The first learning rate; it falls to a fiftieth."""


def trained(crops: Crops, judging: Tensor, minutes: float) -> UNet:
    """Train the network.

    Args:
        crops: What it is trained on.
        judging: (n, 1, h, w), what it is judged on.
        minutes: Processor time.

    Returns:
        The exponential average of the last networks.
    """
    network = UNet()
    network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    average = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    generator = torch.Generator().manual_seed(0)
    began = time.process_time()
    step = 0
    while (part := (time.process_time() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            warm = min(1.0, (step + 1) / 200)
            group["lr"] = RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * part)))
        loss = _loss(network, torch.from_numpy(crops.batch(BATCH)), generator)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        with torch.no_grad():
            for mine, new in zip(average.parameters(), network.parameters(), strict=True):
                mine.lerp_(new, 1 - min(0.999, (step + 1) / (step + 10)))
        if step % 1000 == 0:
            print(f"step {step}: {judged(average, judging)}", flush=True)
    return average


def _loss(network: UNet, clean: Tensor, generator: torch.Generator) -> Tensor:
    """The squared error over σ: between what its square, and what nothing, would weigh."""
    low, high = (math.log(level) for level in LEVELS)
    sigma = torch.exp(low + (high - low) * torch.rand(len(clean), generator=generator))
    noise = torch.randn(clean.shape, generator=generator)
    noisy = clean + sigma[:, None, None, None] * noise
    with torch.autocast("cpu", torch.bfloat16):
        found = network(noisy.contiguous(memory_format=torch.channels_last), sigma)
    return ((found.float() - clean).square().mean((1, 2, 3)) / sigma).mean()


@torch.no_grad()
def judged(denoise: Callable[[Tensor, float], Tensor], judging: Tensor) -> str:
    """Mean PSNR (dB) at each of the levels, of a function of stacks (n, 1, h, w) and σ."""
    found = []
    for sigma in JUDGED:
        noise = torch.randn(judging.shape, generator=torch.Generator().manual_seed(1))
        error = (denoise(judging + sigma * noise, sigma) - judging).square().mean((1, 2, 3))
        found.append(f"{float(-10 * error.log10().mean()):.2f}")
    return " / ".join(found)


def main() -> None:
    """Train the network, print how good it is, and write it."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=45.0)
    parser.add_argument("--out", type=Path, default=Path("photographs.safetensors"))
    words = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    every = list(photographs(words.folder))
    judging = _judging([each.values for each in every if each.name in JUDGING])
    by_patches = PatchGaussians()

    def nl_bayes(stack: Tensor, sigma: float) -> Tensor:
        return torch.stack([by_patches(x.movedim(0, -1), sigma).movedim(-1, 0) for x in stack])

    print(f"NL-Bayes: {judged(nl_bayes, judging)}", flush=True)
    crops = Crops([each for each in every if each.name not in JUDGING])
    network = trained(crops, judging, words.minutes)
    weights = {name: v.half().contiguous() for name, v in network.state_dict().items()}
    save_file(weights, words.out)


def _judging(pictures: list[np.ndarray]) -> Tensor:
    """The middles of pictures in grey, (n, 1, 96, 96)."""
    middles = []
    for values in pictures:
        half = torch.from_numpy(shrunk(values, 2))
        top, left = (n // 2 - 48 for n in half.shape[:2])
        middles.append(half[top : top + 96, left : left + 96].movedim(-1, 0))
    brightness = torch.tensor([0.3, 0.59, 0.11])[:, None, None]
    return (torch.stack(middles) * brightness).sum(1, keepdim=True)


if __name__ == "__main__":
    main()
