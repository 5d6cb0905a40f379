"""Arguments of the image and sound problems out of range: refused by name before any work."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from inverse_inr.problems.audio import audio, chord, first_omega
from inverse_inr.problems.images import load_image, load_picture
from inverse_inr.problems.restoration import (
    deblur,
    denoise,
    inpaint,
    single_pixel,
    super_resolution,
    video_snapshot,
)

NUMBER = "must be a number"
WHOLE = "must be a whole number"

BAD = [
    (inpaint, {"keep": 0.0}, NUMBER),
    (inpaint, {"keep": 1.5}, NUMBER),
    (inpaint, {"keep": float("nan")}, NUMBER),
    (inpaint, {"pattern": "strips"}, "Did you mean 'stripes'"),
    (inpaint, {"noise_level": -0.1}, NUMBER),
    (inpaint, {"rounds": -1}, WHOLE),
    (inpaint, {"rounds": 1.5}, WHOLE),
    (inpaint, {"held_out": 1.0}, NUMBER),
    (inpaint, {"seed": 1.5}, WHOLE),
    (inpaint, {"seed": True}, WHOLE),
    (inpaint, {"measured": "yes"}, "measured"),
    (inpaint, {"crop": -3}, WHOLE),
    (inpaint, {"bin": 0}, WHOLE),
    (inpaint, {"slice": -1}, WHOLE),
    (inpaint, {"image": 7}, "image=7"),
    (denoise, {"photons": 0}, NUMBER),
    (denoise, {"readout": -2.0}, NUMBER),
    (denoise, {"noise_level": float("inf")}, NUMBER),
    (deblur, {"size": -3}, "size=-3 must be a number above 0"),
    (deblur, {"size": 0}, NUMBER),
    (deblur, {"angle": float("nan")}, NUMBER),
    (deblur, {"noise_level": 0.0}, NUMBER),
    (deblur, {"kernel": "gausian"}, "kernel"),
    (super_resolution, {"factor": 0}, WHOLE),
    (super_resolution, {"factor": 2.5}, WHOLE),
    (super_resolution, {"factor": 7}, "factor=7 does not divide the sides of camera"),
    (super_resolution, {"factor": 10**6, "measured": True}, "factor=1000000.* memory"),
    (single_pixel, {"fraction": 0}, NUMBER),
    (single_pixel, {"noise_level": 0}, NUMBER),
    (single_pixel, {"patterns": "hadamrd"}, "Did you mean 'hadamard'"),
    (video_snapshot, {"frames": 1}, WHOLE),
    (video_snapshot, {"motion": "fast"}, NUMBER),
    (audio, {"keep_one_in": 0}, WHOLE),
    (audio, {"seconds": 0}, NUMBER),
    (audio, {"seconds": 1e9}, "seconds=1e\\+09.* memory"),
    (audio, {"seconds": 1e-9}, "are 0 samples"),
    (audio, {"start": -1.0}, NUMBER),
    (audio, {"rate": -22050}, WHOLE),
    (chord, {"seconds": 0.5, "rate": 0.5}, WHOLE),
    (first_omega, {"seconds": -1.0, "hertz": 100.0}, NUMBER),
    (load_image, {"image": "camera", "crop": 99999}, "crop=99999 is larger than the image"),
    (load_image, {"image": "camera", "bin": 99999}, "bin=99999"),
    (load_image, {"image": "camera", "slice": 3}, "is a single picture"),
    (load_picture, {"image": "camera", "mask": 3}, "mask=3"),
]


@pytest.mark.parametrize(
    ("make", "options", "message"), BAD, ids=[f"{f.__name__}: {o}" for f, o, _ in BAD]
)
def test_an_argument_out_of_range_is_refused_by_name_before_any_work(
    make: Callable[..., Any], options: dict[str, Any], message: str
):
    began = time.perf_counter()
    with pytest.raises((ValueError, TypeError, MemoryError), match=message) as caught:
        make(**options)
    assert type(caught.value).__module__.split(".")[0] in ("builtins", "inverse_inr")
    assert time.perf_counter() - began < 5
