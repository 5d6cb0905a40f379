"""A small U-Net, the line of the segmenters: two poolings, skips, cross entropy, Adam."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions, each normalised over its own image, with a GELU."""
    parts: list[nn.Module] = []
    for n in (inputs, outputs):
        parts += [nn.Conv2d(n, outputs, 3, padding=1), nn.GroupNorm(1, outputs), nn.GELU()]
    return nn.Sequential(*parts)


class UNet(nn.Module):
    """Ronneberger et al. 2015, with two levels below the first.

    Args:
        classes: Number of classes.
        width: Features of the first level; each level below has twice as many.
    """

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [_pair(1, width), _pair(width, 2 * width), _pair(2 * width, 4 * width)]
        )
        self.up = nn.ModuleList([_pair(6 * width, 2 * width), _pair(3 * width, width)])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (b, classes, *shape) of images (b, 1, *shape)."""
        levels = [self.down[0](image)]
        for block in list(self.down)[1:]:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2)))
        h = levels[-1]
        for block, skip in zip(self.up, (levels[1], levels[0]), strict=True):
            h = nn.functional.interpolate(h, scale_factor=2, mode="bilinear")
            h = block(torch.cat([h, skip], 1))
        return self.head(h)


def trained_unet(
    images: Tensor,
    labels: Tensor,
    classes: int,
    width: int,
    *,
    steps: int,
    batch: int = 4,
    lr: float = 3e-3,
    seed: int = 0,
) -> UNet:
    """Train by cross entropy; a tenth is held out, and the best state by it is returned.

    Args:
        images: (n, *shape).
        labels: (n, *shape).
        classes: Number of classes.
        width: Features of the first level.
        steps: Steps of Adam with a cosine schedule.
        batch: Images of a step.
        lr: Largest learning rate.
        seed: Seed of the weights and of each step's images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = UNet(classes, width)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    held, seen = order[: len(order) // 10], order[len(order) // 10 :]
    adam = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    best, kept = float("inf"), {}
    for step in range(1, steps + 1):
        some = seen[torch.randperm(len(seen), generator=generator)[:batch]]
        loss = nn.functional.cross_entropy(net(images[some][:, None]), labels[some])
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
        if step % 25 == 0:
            with torch.no_grad():
                value = float(nn.functional.cross_entropy(net(images[held][:, None]), labels[held]))
            if value < best:
                best = value
                kept = {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(kept)
    return net.eval()


def size(net: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in net.parameters())
