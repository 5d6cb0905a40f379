"""Codes of a family as files: a few bytes, refused by any other family."""

import sys
from pathlib import Path

import pytest
import torch

from inverse_inr import Box, Grid, OnGrid, Problem, Term, families, phantoms, sample
from inverse_inr.codec import decode, decode_image, encode, grid_of
from inverse_inr.families import Modulated
from inverse_inr.fidelity import L2
from inverse_inr.io.files import FileFormatError

pytestmark = pytest.mark.slow
BOX = Box((0.0, 0.0), (1.0, 1.0))
GRID = Grid(BOX, (12, 12))


def same(image: torch.Tensor) -> torch.Tensor:
    return image


def blob(seed: int) -> Problem:
    y = sample(phantoms.gaussian_blobs(BOX, count=2, width=0.07, seed=seed), GRID).reshape(-1)
    return Problem([Term(OnGrid(same, GRID, GRID.shape), y, L2())], BOX, GRID, average=1)


def trained(seed: int) -> Modulated:
    family = Modulated("siren", {"width": 16, "depth": 1, "omega0": 6.0}, code=12)
    return families.train(family, [blob(k) for k in range(6)], steps=2, seed=seed)


@pytest.fixture(scope="module")
def family() -> Modulated:
    return trained(0)


@pytest.fixture(scope="module")
def data(family) -> bytes:
    return encode(
        family.solve(blob(50)), bits_per_sample=3.0, method="modulated", family=family, steps=40
    )


def test_the_size_is_kept_and_small(data, family) -> None:
    assert len(data) <= 3 * 12 * 12 / 8
    short = encode(
        family.solve(blob(50)), bits_per_sample=1.7, method="modulated", family=family, steps=40
    )
    assert len(short) <= 1.7 * 12 * 12 / 8


def test_more_steps_than_the_family_has_are_nearer(data, family) -> None:
    problem = blob(50)
    truth = problem.terms[0].y.reshape(12, 12, 1)
    own = family.solve(problem).sample(GRID)
    found = decode_image(data, family=family)
    assert found.shape == (12, 12, 1)
    assert (found - truth).square().sum() < (own - truth).square().sum()
    assert grid_of(data, family=family) == GRID


def test_an_image_is_coded_as_its_problem(data, family) -> None:
    image = blob(50).terms[0].y.reshape(12, 12, 1)
    found = encode(
        image, bits_per_sample=3.0, method="modulated", family=family, steps=40, grid=GRID
    )
    assert found == data


def test_another_grid_comes_back(family) -> None:
    image = blob(50).terms[0].y.reshape(12, 12, 1)[:10]
    found = encode(image, bits_per_sample=6.0, method="modulated", family=family, steps=40)
    assert decode_image(found, family=family).shape == (10, 12, 1)


def test_another_family_refuses_a_code(data) -> None:
    with pytest.raises(ValueError, match="belongs to the family"):
        decode(data, family=trained(1))
    with pytest.raises(ValueError, match="not in the file"):
        decode(data)


@pytest.mark.parametrize("where", [13, 14, 24, -6, -2])
def test_an_altered_byte_is_noticed(data, family, where) -> None:
    changed = bytearray(data)
    changed[where] ^= 0x21
    with pytest.raises(FileFormatError, match="codec"):
        decode(bytes(changed), family=family)


@pytest.mark.parametrize("kept", [5, 17, 25, -1])
def test_cut_bytes_are_refused(data, family, kept) -> None:
    with pytest.raises(FileFormatError, match="codec"):
        decode(data[:kept], family=family)


def test_what_does_not_fit_is_refused_by_name(family) -> None:
    solution = family.solve(blob(50))
    with pytest.raises(ValueError, match="allows 18 bytes"):
        encode(solution, bits_per_sample=1.0, method="modulated", family=family, steps=40)
    with pytest.raises(ValueError, match="family= goes with"):
        encode(solution, bits_per_sample=9.0, method="modulated")
    with pytest.raises(ValueError, match="family= goes with"):
        encode(solution, bits_per_sample=9.0, family=family)
    with pytest.raises(ValueError, match="a solution has its own"):
        encode(solution, bits_per_sample=9.0, grid=GRID)


def test_the_command_line_takes_the_family_from_its_file(family, tmp_path) -> None:
    from functools import partial

    from inverse_inr.command import cli
    from inverse_inr.io import write_image

    def said(*words: str | Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["inverse-inr", *map(str, words)])
            patch.setattr(cli, "app", partial(cli.app, [str(word) for word in words]))
            with pytest.raises(SystemExit) as ended:
                cli.main()
        assert ended.value.code in (0, None), ended.value.code

    kept, picture, code = tmp_path / "f.safetensors", tmp_path / "a.npz", tmp_path / "a.inr"
    families.save(family, kept)
    write_image(picture, blob(50).terms[0].y.reshape(12, 12, 1), GRID)
    how = ("--bits-per-pixel", "3", "--method", "modulated", "--steps", "9", "--family", kept)
    said("encode", picture, *how, "--out", code)
    said("decode", code, "--family", kept, "--out", tmp_path / "b.npz")
    assert (tmp_path / "b.npz").exists()
