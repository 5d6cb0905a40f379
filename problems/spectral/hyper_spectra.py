"""Spectra from three colours by a network whose weights another network makes of the image.

    s(p) = f_θ(X_p, γ(p)),    θ = h(image)       (Zhang et al. 2021, arXiv:2112.10541)

X_p are the colours of pixel p, γ its Fourier coordinates, f a small MLP to the L bands, h a
convolutional hypernetwork. It is trained on cubes with their colour images, `train(problems)`. The
cubes are those of the problems' references: generated scenes here, the user's own if a
`spectral_sr` problem is made of them. As in the paper, an image has one set of weights of f for all
its pixels, and bands are discrete. Between them spectra are linear.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inverse_inr import Problem, SampledField, Solution, sample
from inverse_inr.problems.spectral.trained import (
    affine_map,
    crops,
    draw,
    learn_from,
    mean_spectrum_of,
    root_mean_square,
)
from inverse_inr.ranges import Count, Positive, WholeNumber, checked
from inverse_inr.solver import Ended


class HyperSpectra(nn.Module):
    """A hypernetwork's MLP, which maps colours and place to a spectrum.

    Args:
        bands: Bands of the spectra.
        colours: Channels of the image.
        frequencies: Fourier coordinates per axis of the place.
        width: Hidden width of the MLP.
        features: Channels of the hypernetwork.
        seed: Of the weights.
    """

    @checked
    def __init__(
        self,
        bands: Count,
        *,
        colours: Count = 3,
        frequencies: Count = 3,
        width: Count = 32,
        features: Count = 32,
        seed: WholeNumber = 0,
    ) -> None:
        super().__init__()
        self.frequencies = frequencies
        sizes = [colours + 4 * frequencies, width, width, bands]
        self.shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = nn.Sequential(
                nn.Conv2d(colours, features, 3, stride=2, padding=1),
                nn.GELU(),
                nn.Conv2d(features, features, 3, stride=2, padding=1),
                nn.GELU(),
            )
            self.heads = nn.ModuleList(nn.Linear(2 * features, n * (m + 1)) for n, m in self.shapes)
            for head, (n, m) in zip(self.heads, self.shapes, strict=True):
                # every image starts from the same MLP, initialised as usual; training adds what
                # each image needs
                assert isinstance(head, nn.Linear)
                nn.init.normal_(head.weight, std=1e-2 / math.sqrt(2 * features * m))
                own = torch.cat([torch.randn(n, m) * math.sqrt(2 / m), torch.zeros(n, 1)], 1)
                with torch.no_grad():
                    head.bias.copy_(own.reshape(-1))

    def weights(self, image: Tensor) -> list[Tensor]:
        """Return the weights of each layer of the MLP for one image.

        Args:
            image: (H, W, colours).

        Returns:
            (n, m + 1) for each layer of m inputs and n outputs, the bias last.
        """
        seen = self.encoder(image.movedim(-1, 0)[None])[0].flatten(1)
        summary = torch.cat([seen.mean(1), seen.std(1)])
        return [
            head(summary).reshape(n, m + 1)
            for head, (n, m) in zip(self.heads, self.shapes, strict=True)
        ]

    def forward(self, image: Tensor) -> Tensor:
        """Return the spectra of an image, (H, W, colours) -> (H, W, bands), not negative."""
        h = torch.cat([image, self._places(image)], -1)
        layers = self.weights(image)
        for k, layer in enumerate(layers):
            h = h @ layer[:, :-1].T + layer[:, -1]
            if k + 1 < len(layers):
                h = torch.relu(h)
        return nn.functional.softplus(h)

    def _places(self, image: Tensor) -> Tensor:
        """Sines and cosines of both coordinates, small: the colours say more than the place."""
        sides = [
            (torch.arange(n, dtype=image.dtype, device=image.device) + 0.5) / n
            for n in image.shape[:2]
        ]
        grid = torch.stack(torch.meshgrid(*sides, indexing="ij"), -1)
        count = torch.arange(1, self.frequencies + 1, dtype=image.dtype, device=image.device)
        angle = (grid[..., None] * (2 * math.pi * count)).flatten(-2)
        return 0.1 * torch.cat([angle.sin(), angle.cos()], -1)


@checked
def train(
    problems: Sequence[Problem],
    model: HyperSpectra | None = None,
    *,
    steps: Count = 600,
    crop: Count = 48,
    lr: Positive = 3e-3,
    seed: WholeNumber = 0,
) -> HyperSpectra:
    """Learn from images with known cubes: per step a random crop of one problem, randomly flipped.

    Args:
        problems: Simulations whose first term is a colour image of the grid's pixels.
        model: The network to train further; None for a new one.
        steps: Steps of Adam.
        crop: The most pixels per axis of a crop.
        lr: Learning rate at the start.
        seed: Of the weights and the crops.

    Returns:
        The trained network.

    Raises:
        ValueError: If a problem has no reference, or its first term is not an image of the grid's
            pixels.
    """
    pairs = [_pair(problem) for problem in problems]
    if model is None:
        image, cube = pairs[0]
        model = HyperSpectra(cube.shape[-1], colours=image.shape[-1], seed=seed)
    generator = torch.Generator().manual_seed(seed)

    def loss(image: Tensor, cube: Tensor) -> Tensor:
        flips = [axis for axis in (0, 1) if draw(2, generator)]
        return root_mean_square(model(image.flip(flips)), cube.flip(flips))

    learn_from(model, crops(pairs, steps, crop, generator), loss, steps, lr)
    return model


@checked
@torch.no_grad()
def reconstruct(model: HyperSpectra, problem: Problem) -> Solution:
    """Return the spectra of a measured image: one forward pass, nothing is fitted.

    Args:
        model: A trained network.
        problem: Its first term is a colour image of the grid's pixels.

    Raises:
        ValueError: If the first term is no such image.
    """
    began = time.perf_counter()
    cube = model(colours_of(problem))[..., None]
    return Solution(
        SampledField(cube, problem.grid),
        problem,
        "hypernetwork",
        seconds=time.perf_counter() - began,
        stopped=Ended("direct", "one forward pass"),
    )


@checked
def colours_of(problem: Problem) -> Tensor:
    """Return the measured image (H, W, colours) of a problem's first term.

    Args:
        problem: Its grid is (H, W, L).

    Raises:
        ValueError: If the first term is no image of up to 16 colours on the grid's pixels.
    """
    y = problem.terms[0].y
    space = problem.grid.shape[:2]
    if y.numel() % math.prod(space) or y.numel() // math.prod(space) > 16:
        raise ValueError(
            f"hyper_spectra: {y.numel()} measurements are no colour image of {space} pixels."
        )
    return y.reshape(*space, -1)


@checked
def linear_regression(problems: Sequence[Problem], problem: Problem) -> Solution:
    """Find spectra by the best affine map from a pixel's colours, which a network must beat.

    Args:
        problems: Simulations with references, from which the map is learnt.
        problem: The problem to solve.
    """
    cube = affine_map([_pair(p) for p in problems], colours_of(problem))
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "linear regression",
        stopped=Ended("direct", "closed form"),
    )


@checked
def mean_spectrum(problems: Sequence[Problem], problem: Problem) -> Solution:
    """Put the mean spectrum of the training cubes in every pixel.

    Args:
        problems: Simulations with references.
        problem: The problem to solve.
    """
    cube = mean_spectrum_of([_pair(p) for p in problems], problem.grid.shape)
    return Solution(
        SampledField(cube[..., None], problem.grid),
        problem,
        "mean spectrum",
        stopped=Ended("direct", "closed form"),
    )


def _pair(problem: Problem) -> tuple[Tensor, Tensor]:
    if problem.reference is None:
        raise ValueError(
            "hyper_spectra.train: a problem without a reference has no cube to learn from."
        )
    return colours_of(problem), sample(problem.reference, problem.grid)[..., 0]
