"""Denoising a photograph: a sensor's noise, or Gaussian, on every pixel.

    y = f + noise,   f at pixel centres in [0, 1]

The fit and the classical denoisers are judged by their estimated risk (`risk`), which sees every
pixel; where rows are held out, by these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch

from inverse_inr import Field, Problem, Solution, baselines, noise
from inverse_inr.denoisers.patch_gaussians import LOST
from inverse_inr.operators import Mask
from inverse_inr.problems.images import ImageOrFile, load_picture
from inverse_inr.problems.restoration.classical import (
    estimated_noise,
    later,
    noise_sigma,
    nonlocal_means,
)
from inverse_inr.problems.restoration.denoisers import nl_bayes, patch_denoisers
from inverse_inr.problems.restoration.risk import by_risk
from inverse_inr.problems.restoration.simulation import PartHeldOut, holding_out, measure, seen
from inverse_inr.problems.restoration.suggestions import (
    DENOISE_SHARE,
    FAR,
    TV_DENOISE,
    in_rounds,
    suggesting,
    suggesting_instead,
)
from inverse_inr.problems.restoration.trained import trained_network
from inverse_inr.ranges import (
    Count,
    NoiseLevelOrNone,
    NonNegative,
    Positive,
    WholeNumber,
    checked,
)
from inverse_inr.rounds import Rounds, judged_afresh
from inverse_inr.solver import Candidate, Solver
from inverse_inr.stopping import Stopping

SIMULATED_PHOTONS = 30.0
"""At white, of noise that is simulated (WIRE, Saragadam et al. 2023)."""


@checked
def denoise(
    image: ImageOrFile = "camera",
    *,
    photons: Positive | None = None,
    readout: NonNegative = 2.0,
    noise_level: NoiseLevelOrNone | None = None,
    measured: bool = False,
    slice: WholeNumber | None = None,
    bin: Count = 1,
    crop: Count | None = None,
    rounds: Rounds = 1,
    held_out: PartHeldOut = 0.0,
    seed: WholeNumber = 0,
) -> Problem:
    """Remove noise that lies on every pixel: a sensor's, or Gaussian.

    What is suggested is an INR whose patches are likely among those that are like them in the mean
    of what NL-Bayes and a trained network make of the measurements. Its gain over total variation
    comes from these two; NL-Bayes, the network and BM3D stand beside it as baselines.

    Args:
        image: An example by name, an image file, or (h, w) or (h, w, c) values.
        photons: Mean number of photons at white. None without a `noise_level`: WIRE's 30 where
            noise is simulated; of a measured file the level of Gaussian noise is estimated from
            second differences.
        readout: Standard deviation of the sensor's readout in electrons.
        noise_level: Standard deviation of Gaussian noise, as a fraction of white, instead of the
            sensor's.
        measured: Take the file as the measurement.
        slice: The slice of a volume, as in `load_image`.
        bin: Pixels averaged along each axis, as in `load_image`.
        crop: Largest side in pixels, as in `load_image`.
        rounds: Fits with patch models: the first by what NL-Bayes and the network find, each other
            by the fit before; 0 is a fit with total variation.
        held_out: The part of the measurements that no fit sees, from 0 to below 1.
        seed: Seed of the noise and the held-out rows.

    Returns:
        The problem, with its reference unless `measured`.

    Raises:
        ValueError: There is no noise, or `held_out` lies outside its range.
    """
    picture = load_picture(image, slice=slice, bin=bin, crop=crop)
    values, grid = picture.values, picture.grid
    estimated = measured and noise_level is None and photons is None
    if photons is None and not measured:
        photons = SIMULATED_PHOTONS
    if estimated:
        noise_level = estimated_noise(values)
    model = None
    if photons is not None and noise_level is None:
        model = noise.Sensor(photons, readout)
    operator = Mask(torch.ones(grid.shape, dtype=torch.bool), grid)
    if model is None and not noise_level:
        raise ValueError(
            "denoise: there is no noise to remove; give photons, or a positive noise_level."
        )
    if estimated:
        found = f"{noise_level:.4g} of white, from second differences"
        picture = picture._replace(notes={**picture.notes, "noise level": found})
    problem = measure(operator, picture, noise_level or 0.0, seed, measured, model)
    problem = holding_out(problem, held_out, seed)
    if held_out:
        return judged_afresh(problem, partial(_denoising, rounds=rounds))
    candidates = partial(_judged_by_risk, problem.suggested.stopping, rounds)
    return suggesting_instead(_denoising(problem, rounds), candidates=candidates)


def _judged_by_risk(rule: Stopping | None, rounds: int, ruled: Problem) -> Iterator[Candidate]:
    """The fit and the classical methods, of all pixels, by their estimated risk.

    One pixel in twenty, held out, hardly tells apart methods that differ by 0.2 dB.
    """

    def fit(each: Problem, known: Mapping[str, Solution]) -> Solution:
        return Solver(
            _denoising(each, rounds, _mean(known["NL-Bayes"].field, known["network"].field))
        ).run()

    whole = suggesting_instead(ruled, stopping=rule)
    return by_risk(whole, whole.suggested.baselines, fit)


def _denoising(problem: Problem, rounds: int, guide: Field | None = None) -> Problem:
    """The problem that suggests its classical methods, and rounds guided by the best two."""
    classical = {
        **patch_denoisers(),
        "network": trained_network,
        "non-local means": nonlocal_means,
        "TV": baselines.tv,
    }
    problem = suggesting(problem, classical, TV_DENOISE)
    if not rounds:
        return problem
    kept = seen(problem)
    return in_rounds(
        problem,
        rounds,
        guide=guide or _mean(later(nl_bayes, kept), later(trained_network, kept)),
        share=DENOISE_SHARE,
        floor=LOST * noise_sigma(problem),
        search=FAR,
    )


def _mean(one: Field, other: Field) -> Field:
    """The mean of two fields."""
    return lambda points: 0.5 * (one(points) + other(points))
