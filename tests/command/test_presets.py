"""Configs by name, the folder of measured data, code that a config names, and `list NAME`."""

import json
from pathlib import Path

import pytest
import torch

from inverse_inr.command import cli
from inverse_inr.command.config import Run
from inverse_inr.command.looking import describing, verbs
from inverse_inr.command.presets import (
    find_config,
    preset_names,
    with_data_folder,
    without_example,
)
from inverse_inr.command.tables import ConfigError
from inverse_inr.io import read_image
from inverse_inr.registry import load_object

CODE = '''
from __future__ import annotations
from dataclasses import dataclass
from inverse_inr.problems.ct import ct

with open("ran.txt", "a") as file:
    file.write("x")


@dataclass(frozen=True)
class Part:
    size: int = 16


def problem(*, part: Part = Part(), seed: int = 0):
    """A scan of mine."""
    return ct(size=part.size, views=8, seed=seed)
'''
FEW = ("solver.steps=2", "solver.batch=16", "baselines.names=[]", 'prior.name="grid"')


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CODE)
    (tmp_path / "mine.toml").write_text('[problem]\nname = "mine.py:problem"\n')
    return tmp_path


def test_a_preset_or_a_problem_runs_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # no checkout below
    words = {"size": ["16"], "views": ["8"]}
    assert cli.run("ct", out=Path("out"), set=FEW, **words) == 0
    assert "preset ct (" in capsys.readouterr().out
    assert find_config("ct")[0]["problem"]["views"] == 60
    alone = ({"problem": {"name": "phase_history"}}, "problem phase_history")
    assert find_config("phase_history") == alone
    assert {"ct", "deblur", "gotcha"} <= set(preset_names())


def test_a_file_comes_before_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ct").write_text('[problem]\nname = "denoise"\n')
    tables, where = find_config("ct")
    assert tables == {"problem": {"name": "denoise"}}
    assert where == f"config {tmp_path / 'ct'}"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("ctt", "'ctt' is neither a file nor the name of a preset or a problem. Did you mean 'ct'"),
        ("problems/ct.toml", "There is no config problems/ct.toml. There is a preset of that name"),
        ("a/b.toml", "There is no config a/b.toml.$"),
    ],
)
def test_a_word_that_is_no_config(word, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ConfigError, FileNotFoundError), match=message):
        find_config(word)


def test_a_measured_file_takes_nothing_from_the_example_of_a_preset():
    words = {"image": ["photo.png"], "measured": ["true"], "noise-level": ["0.1"]}
    tables = find_config("deblur")[0]
    solver = dict(tables["solver"])
    assert {"crop", "size", "noise_level"} <= {*tables["problem"]}
    said = without_example(tables, words)
    assert tables == {"problem": {"name": "deblur"}, "solver": solver}
    assert "crop" in said
    assert "noise_level" not in said  # the user gave one
    tables = find_config("deblur")[0]
    assert without_example(tables, words | {"measured": ["false"]}) == ""
    assert tables == find_config("deblur")[0]


def test_the_data_folder_is_a_variable(tmp_path, monkeypatch):
    table = {"name": "gotcha", "paths": ["$INVERSE_INR_DATA/a.mat", "own.mat"], "every": 3}
    monkeypatch.delenv("INVERSE_INR_DATA", raising=False)
    with pytest.raises(
        FileNotFoundError,
        match=r"is not set\. Set it to the folder that holds a\.mat.*--paths FILE",
    ):
        with_data_folder(table)
    monkeypatch.setenv("INVERSE_INR_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=rf"there is no a\.mat in {tmp_path}"):
        with_data_folder(table)
    (tmp_path / "a.mat").touch()
    assert with_data_folder(table)["paths"] == [str(tmp_path / "a.mat"), "own.mat"]


def test_no_preset_names_a_private_folder():
    for name in preset_names():
        tables, _ = find_config(name)
        assert ".." not in json.dumps(tables), name


def test_code_is_announced_before_it_runs_and_known_at_resume(mine, capsys, monkeypatch):
    (mine / "out").mkdir()
    assert cli.run("mine.toml", out=Path("out"), set=FEW, size=["12"]) == 0
    path = mine / "mine.py"
    assert f"runs code of {path} (sha256 " in capsys.readouterr().out
    assert (mine / "ran.txt").read_text() == "x", "the same code is run once, not at each look"
    record = json.loads(Path("out/config.json").read_text())
    assert record["config"]["problem"]["name"] == f"{path}:problem"
    image = read_image("out/image.npz")[0]
    assert image.shape[:2] == (12, 12)
    (mine / "elsewhere").mkdir()
    monkeypatch.chdir(mine / "elsewhere")
    assert cli.resume(Path("../out")) == 0
    assert f"runs code of {path}" in capsys.readouterr().out
    assert torch.equal(read_image("../out/image.npz")[0], image)


def test_code_that_changed_or_was_never_recorded_is_not_run_at_resume(mine):
    cli.run("mine.toml", out=Path("out"), set=FEW)
    (mine / "mine.py").write_text(CODE.replace("views=8", "views=9"))
    (mine / "ran.txt").unlink()
    with pytest.raises(ConfigError, match=r"mine\.py changed since the run in out began"):
        cli.resume(Path("out"))
    record = json.loads(Path("out/config.json").read_text())
    del record["code"]
    Path("out/config.json").write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=r"names code of .*mine\.py but not its sha256"):
        cli.resume(Path("out"))
    assert not (mine / "ran.txt").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def problem(:", r"mine\.py.*SyntaxError"),
        ("a = 1\n1 / 0", r"mine\.py, line 2: ZeroDivisionError"),
        ("other = 3", "defines no 'problem'"),
        ("problem = 3", "is int, no problem"),
        ("def problem():\n    return 3", "it returned int, no Problem"),
    ],
)
def test_code_that_fails_is_one_line(mine, text, message):
    (mine / "mine.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        cli.run("mine.py:problem", out=Path("out"))


def test_code_that_is_not_there(mine):
    with pytest.raises(ConfigError, match=r"there is no file .*nope\.py.*the folder in which"):
        cli.run("nope.py:problem", out=Path("out"))


def test_a_component_of_a_file_for_a_comparison(mine):
    tables = {"problem": {"name": "ct"}, "prior": {"name": "gone.py:prior"}}
    with pytest.raises(ConfigError, match=r"gone\.py"):
        Run.of(tables)
    assert callable(load_object(f"{mine / 'mine.py'}:Part"))


def test_a_name_is_described_with_range_default_and_meaning(capsys):
    verbs.list_components("held_out", "solver")
    printed = capsys.readouterr().out
    assert "stopping rule held_out: Keep rows out of the fit" in printed
    assert "; default 50\n      Number of steps between two checks." in printed
    assert "[solver]: Reconstruct a field" in printed
    assert "callbacks" not in printed.replace("callbacks=", "")
    with pytest.raises(ConfigError, match=r"Nothing is called 'ctt'\. Did you mean 'ct'"):
        verbs.list_components("ctt")


def test_every_component_can_be_described():
    for registry in describing._registries().values():
        for name in registry.names():
            assert name in describing.described(name).splitlines()[0]


def test_every_keyword_of_a_problem_has_a_meaning():
    for name in describing.catalogue.problems.names():
        lines = describing.described(name).splitlines()
        keys = [k for k, line in enumerate(lines) if line.startswith("  ") and line[2] != " "]
        for k in keys:
            following = lines[k + 1] if k + 1 < len(lines) else ""
            assert following.startswith("      "), f"{name}: {lines[k].strip()} has no meaning"


def test_the_section_of_arguments_is_read():
    text = "Do.\n\nArgs:\n    a: First\n        line.\n    *b: Second.\n\nReturns:\n    c: None."
    assert describing.arguments_in(text) == {"a": "First line.", "b": "Second."}


OPERATOR = """
import torch


class Squares:
    places = torch.linspace(-1, 1, 22, dtype=torch.float64).reshape(11, 2)

    def __len__(self):
        return 11

    def __call__(self, rows):
        return self.places[rows], lambda values: values[..., 0] ** 2
"""


def test_checks_that_did_not_run_are_said_to_be_skipped(tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(OPERATOR)
    verbs.check(f"{path}:Squares", nonlinear=True)
    printed = capsys.readouterr().out
    assert "skipped dot: the operator is not linear" in printed
    assert "skipped linear" in printed
    assert "ok   dot" not in printed
    assert ", 2 skipped" in printed
    with pytest.raises(SystemExit):
        verbs.check(f"{path}:Squares")
