"""Masks of any two levels, and values under a mask, which decide nothing."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from inverse_inr import solve
from inverse_inr.problems.images import load_picture
from inverse_inr.problems.masks import read_mask
from inverse_inr.problems.restoration import inpaint

KNOWN = np.zeros((16, 12), bool)
KNOWN[::2] = True
TRUTH = (0.5 + 0.3 * np.sin(np.arange(16)[:, None] / 4) * np.cos(np.arange(12) / 5)).astype("f4")


def as_numbers(path: Path, low: float, high: float, kind: str) -> str:
    array = np.where(KNOWN, high, low).astype(kind)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return str(path)


LEVELS = [
    (".png", 0, 1, "u1"),
    (".png", 0, 255, "u1"),
    (".png", 3, 7, "u1"),
    (".png", 0, 65535, "u2"),
    (".png", 0, 1, "bool"),
    (".tif", 0, 1, "f4"),
    (".tif", -1, 1, "i2"),
    (".tif", 0, 255, "u1"),
]


@pytest.mark.parametrize(("suffix", "low", "high", "kind"), LEVELS, ids=str)
def test_a_mask_of_any_two_levels(tmp_path: Path, suffix: str, low: float, high: float, kind: str):
    found = read_mask(as_numbers(tmp_path / f"m{suffix}", low, high, kind))
    assert np.array_equal(found.known.numpy(), KNOWN)
    assert "rather than" in found.where


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_mask_as_a_palette(tmp_path: Path, suffix: str):
    image = Image.fromarray(KNOWN.astype(np.uint8), "P")
    image.putpalette([200, 0, 0, 0, 255, 0])  # green is brighter than red
    image.save(tmp_path / f"m{suffix}")
    found = read_mask(str(tmp_path / f"m{suffix}"))
    assert np.array_equal(found.known.numpy(), KNOWN)
    assert "(0, 255, 0)/255 rather than (200, 0, 0)/255" in found.where


def with_alpha(path: Path, colour: np.ndarray) -> str:
    opacity = np.where(KNOWN, 255, 0).astype(np.uint8)
    Image.fromarray(np.stack([colour.astype(np.uint8), opacity], -1), "LA").save(path)
    return str(path)


def test_the_alpha_of_a_black_picture_is_its_mask(tmp_path: Path):
    found = read_mask(with_alpha(tmp_path / "m.png", 0 * KNOWN))
    assert np.array_equal(found.known.numpy(), KNOWN)
    assert "the alpha of" in found.where


def test_an_opaque_alpha_leaves_the_mask_to_the_colours(tmp_path: Path):
    Image.fromarray(KNOWN).convert("LA").save(tmp_path / "m.png")
    assert np.array_equal(read_mask(str(tmp_path / "m.png")).known.numpy(), KNOWN)


def test_colours_and_alpha_that_are_two_masks_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="are two masks, and they differ in 192 pixels"):
        read_mask(with_alpha(tmp_path / "m.png", 255 * ~KNOWN))


def test_a_photograph_with_holes_is_its_own_mask(tmp_path: Path):
    path = with_alpha(tmp_path / "a.png", 255 * TRUTH)
    problem = inpaint(path, mask=path, measured=True, rounds=0)
    assert len(problem.terms[0].y) == KNOWN.sum()
    assert torch.allclose(problem.terms[0].y, torch.from_numpy(TRUTH[KNOWN]), atol=1 / 255)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(192).reshape(16, 12), r"has 192: 0/255, 1/255, .*, \.\.\.\. Threshold it"),
        (np.where(KNOWN, 0, 128) + np.eye(16, 12) * 9, r"has 4: 0/255, 9/255, 128/255, 137/255"),
    ],
    ids=["many", "four"],
)
def test_three_or_more_levels_are_named(tmp_path: Path, array: np.ndarray, message: str):
    Image.fromarray(array.astype(np.uint8)).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=message):
        read_mask(str(tmp_path / "m.png"))


def test_a_mask_whose_zero_is_white_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="White and nonzero mean known, and here they contradict"):
        read_mask(as_numbers(tmp_path / "m.tif", 0, 1, "bool"))


def test_two_colours_that_are_equally_bright_are_refused(tmp_path: Path):
    colours = np.where(KNOWN[..., None], [0.114, 0.0, 0.0], [0.0, 0.0, 0.299]).astype("f4")
    tifffile.imwrite(tmp_path / "m.tif", colours, photometric="rgb")
    with pytest.raises(ValueError, match="are equally bright"):
        read_mask(str(tmp_path / "m.tif"))


def test_a_mask_that_knows_nothing_is_refused_and_one_that_knows_all_is_not(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", TRUTH)
    Image.fromarray(0 * KNOWN.astype(np.uint8)).save(tmp_path / "none.png")
    Image.fromarray(np.full(KNOWN.shape, 255, np.uint8)).save(tmp_path / "all.png")
    with pytest.raises(ValueError, match="keeps no pixel"):
        load_picture(str(tmp_path / "a.tif"), mask=str(tmp_path / "none.png"))
    picture = load_picture(str(tmp_path / "a.tif"), mask=str(tmp_path / "all.png"))
    assert picture.known.all()
    assert "192 of 192 (100 %)" in picture.notes["known pixels"]


def test_an_inverted_mask_is_not_guessed_but_said(tmp_path: Path):
    mask = as_numbers(tmp_path / "m.png", 255, 0, "u1")
    tifffile.imwrite(tmp_path / "a.tif", TRUTH)
    problem = inpaint(str(tmp_path / "a.tif"), mask=mask, measured=True, rounds=0)
    assert "96 of 192 (50 %)" in problem.notes["known pixels"]
    assert torch.equal(problem.terms[0].y, torch.from_numpy(TRUTH[~KNOWN]))


# --- values under the mask ------------------------------------------------------------------------


def filled(folder: Path, fill: float) -> str:
    tifffile.imwrite(folder / "a.tif", np.where(KNOWN, TRUTH, np.float32(fill)))
    return str(folder / "a.tif")


@pytest.mark.parametrize("fill", [65535.0, -1e30, np.nan, np.inf])
def test_fill_values_decide_nothing(tmp_path: Path, fill: float):
    """To the bit: measurements, their scale and the classical guide see known pixels only."""
    mask = as_numbers(tmp_path / "m.png", 0, 255, "u1")
    problems = [
        inpaint(filled(tmp_path, f), mask=mask, measured=True, rounds=0) for f in (0.0, fill)
    ]
    a, b = (p.terms[0].y for p in problems)
    assert torch.equal(a, b)
    a, b = (p.suggested.baselines["biharmonic"](p).sample() for p in problems)
    assert torch.equal(a, b)
    assert problems[0].notes == problems[1].notes


def test_fits_see_no_fill_value(tmp_path: Path):
    mask = as_numbers(tmp_path / "m.png", 0, 255, "u1")
    fits = [
        solve(
            inpaint(filled(tmp_path, f), mask=mask, measured=True, rounds=0),
            steps=2,
            seed=0,
            callbacks=[],
        )
        for f in (0.0, np.nan)
    ]
    assert torch.equal(fits[0].sample(), fits[1].sample())


def test_a_large_pixel_is_the_mean_of_what_is_known_of_it(tmp_path: Path):
    known = KNOWN | (np.arange(12) % 2 == 0)  # three of four
    Image.fromarray(known).save(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "a.tif", np.where(known, TRUTH, np.float32(9e9)))
    picture = load_picture(str(tmp_path / "a.tif"), mask=str(tmp_path / "m.png"), bin=2)
    expected = np.where(known, TRUTH, np.nan).reshape(8, 2, 6, 2).transpose(0, 2, 1, 3)
    assert picture.known.all()
    found = picture.values[..., 0].numpy()
    np.testing.assert_allclose(found, np.nanmean(expected, (2, 3)), rtol=1e-6)


def test_a_large_pixel_of_which_half_is_lost_is_lost(tmp_path: Path):
    mask = as_numbers(tmp_path / "m.png", 0, 255, "u1")
    with pytest.raises(ValueError, match="keeps no pixel"):
        inpaint(filled(tmp_path, 7.0), mask=mask, measured=True, bin=2, rounds=0)


def test_the_truth_of_a_simulation_has_values_under_the_mask(tmp_path: Path):
    mask = as_numbers(tmp_path / "m.png", 0, 255, "u1")
    problem = inpaint(filled(tmp_path, 0.25), mask=mask, rounds=0)
    assert problem.reference is not None
    assert float(problem.reference(problem.grid.points())[1, 0, 0]) == pytest.approx(0.25)
    with pytest.raises(ValueError, match=r"holds NaN or Inf in 96 pixels.*measured=True"):
        inpaint(filled(tmp_path, np.nan), mask=mask, rounds=0)


def test_a_scale_that_was_inferred_is_noted(tmp_path: Path):
    mask = as_numbers(tmp_path / "m.png", 0, 255, "u1")
    tifffile.imwrite(tmp_path / "a.tif", np.where(KNOWN, 400 * TRUTH, 1e6).astype("f4"))
    problem = inpaint(str(tmp_path / "a.tif"), mask=mask, measured=True, rounds=0)
    largest = float((400 * TRUTH[KNOWN]).max())
    assert problem.notes["white"].startswith(f"{largest:.6g} of ")
    assert float(problem.terms[0].y.max()) == 1.0
