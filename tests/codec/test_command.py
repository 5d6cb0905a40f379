"""The verbs `encode` and `decode`: files kept, slips answered in one line."""

import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from inverse_inr.command import cli
from inverse_inr.domain import Box, Grid, pixel_grid
from inverse_inr.io import read_image, read_wav, write_image, write_wav


def spoken(*words: str) -> str:
    """Run a command line; what it says where it fails, else nothing."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["inverse-inr", *words])
            patch.setattr(cli, "app", partial(cli.app, words))
            cli.main()
    except SystemExit as error:
        if error.code not in (0, None):
            return str(error.code)
    return ""


@pytest.fixture
def photo(tmp_path) -> Path:
    x = torch.linspace(0, 3, 40)
    image = torch.stack([x[:, None].sin() * x[:32].cos(), x[:, None] * x[:32] / 9], -1).abs()
    image = torch.cat([image, image[..., :1]], -1)
    path = tmp_path / "photo.png"
    write_image(path, image, pixel_grid((40, 32)))
    return path


def test_a_picture_goes_through_a_file(photo, tmp_path, capsys) -> None:
    code, back = tmp_path / "photo.inr", tmp_path / "back.png"
    assert not spoken("encode", str(photo), "--bits-per-pixel", "2", "--out", str(code))
    assert code.stat().st_size <= 2 * 40 * 32 / 8
    assert "bits per pixel of 40 x 32" in capsys.readouterr().out
    assert not spoken("decode", str(code), "--out", str(back))
    assert (read_image(back)[0] - read_image(photo)[0]).abs().max() < 0.1


@pytest.mark.slow
def test_a_picture_is_fitted_by_latents(photo, tmp_path) -> None:
    code, back = tmp_path / "photo.inr", tmp_path / "back.png"
    how = ("--method", "latent", "--steps", "3", "--bits-per-pixel", "5")
    assert not spoken("encode", str(photo), *how, "--out", str(code))
    assert not spoken("decode", str(code), "--out", str(back))
    assert (read_image(back)[0] - read_image(photo)[0]).abs().mean() < 0.1


def test_a_sound_goes_through_a_file(tmp_path) -> None:
    sound, code, back = (tmp_path / name for name in ("a.wav", "a.inr", "b.wav"))
    grid = Grid(Box((0.0,), (0.05,), ("s",)), (400,))
    wave = 0.5 * (torch.linspace(0, 40, 400)).sin()[:, None]
    write_wav(sound, wave, grid)
    assert not spoken("encode", str(sound), "--bits-per-pixel", "4", "--out", str(code))
    assert code.stat().st_size <= 4 * 400 / 8
    assert not spoken("decode", str(code), "--out", str(back))
    found, again = read_wav(back)
    assert again.shape == (400,)
    assert (found - wave).abs().max() < 0.05


def test_a_picture_of_another_size(photo, tmp_path) -> None:
    code, back = tmp_path / "photo.inr", tmp_path / "back.png"
    assert not spoken("encode", str(photo), "--bits-per-pixel", "3", "--out", str(code))
    assert not spoken("decode", str(code), "--size", "80", "--out", str(back))
    large = read_image(back)[0]
    assert large.shape == (80, 64, 3)
    small = large.reshape(40, 2, 32, 2, 3).mean((1, 3))
    assert (small - read_image(photo)[0]).abs().max() < 0.1


def test_what_exists_is_kept_without_force(photo, tmp_path) -> None:
    code = tmp_path / "photo.inr"
    code.write_bytes(b"mine")
    words = ("encode", str(photo), "--bits-per-pixel", "2", "--out", str(code))
    assert "exists" in spoken(*words)
    assert code.read_bytes() == b"mine"
    assert not spoken(*words, "--force")
    assert code.read_bytes().startswith(b"INRW")
    back = tmp_path / "back.png"
    back.write_bytes(b"mine")
    assert "exists" in spoken("decode", str(code), "--out", str(back))
    assert back.read_bytes() == b"mine"


def test_an_interruption_leaves_what_was_there(photo, tmp_path, monkeypatch) -> None:
    from inverse_inr.codec import command

    def interrupted(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    code = tmp_path / "photo.inr"
    code.write_bytes(b"mine")
    monkeypatch.setattr(command, "encode_image", interrupted)
    words = ("encode", str(photo), "--bits-per-pixel", "2", "--out", str(code), "--force")
    assert spoken(*words) == "130"
    assert code.read_bytes() == b"mine"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.inr", "photo.png"]


def test_slips_are_answered_in_one_line(photo, tmp_path) -> None:
    out = str(tmp_path / "new.inr")
    picture = str(tmp_path / "new.png")
    assert "no such file" in spoken("encode", "none.png", "--bits-per-pixel", "2", "--out", out)
    assert "above 0" in spoken("encode", str(photo), "--bits-per-pixel", "-1", "--out", out)
    assert "takes at least" in spoken(
        "encode", str(photo), "--bits-per-pixel", "0.01", "--out", out
    )
    assert "does not exist" in spoken(
        "encode", str(photo), "--bits-per-pixel", "1", "--out", str(tmp_path / "no" / "x.inr")
    )
    assert "no coded field" in spoken("decode", str(photo), "--out", picture)
    code = tmp_path / "photo.inr"
    assert not spoken("encode", str(photo), "--bits-per-pixel", "2", "--out", str(code))
    assert "from 1 to" in spoken("decode", str(code), "--size", "0", "--out", picture)
    assert "cannot write suffix" in spoken("decode", str(code), "--out", picture + "x")
    code.write_bytes(code.read_bytes()[:-9])
    assert "codec" in spoken("decode", str(code), "--out", picture)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.inr", "photo.png"]
