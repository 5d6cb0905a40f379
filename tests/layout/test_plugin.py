"""The example of a plug-in: built, installed and used in an environment of its own."""

import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from cases.command.wheel import run
from cases.tree import ROOT

from inverse_inr import registry
from inverse_inr.registry import Registry

PLUGIN = ROOT / "examples" / "plugin"


@pytest.fixture(scope="module")
def with_plugin(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel of this checkout and the plug-in's."""
    folder = tmp_path_factory.mktemp("plugin")
    copy = shutil.copytree(PLUGIN, folder / "source")
    quiet = ("-q", "--no-deps", "--no-index", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip")
    run(*pip, "wheel", *quiet, "--no-build-isolation", "-w", folder, copy, cwd=folder)
    (built,) = folder.glob("*.whl")
    python = environment / "bin" / "python"
    run(*pip, "--python", python, "install", *quiet, built, cwd=folder)
    return environment


@pytest.mark.slow
def test_a_plug_in_is_known_by_its_names(with_plugin: Path, tmp_path: Path):
    command = with_plugin / "bin" / "inverse-inr"
    listed = run(command, "list", cwd=tmp_path)
    described = run(command, "list", "abel", "even_chebyshev", "rising", cwd=tmp_path)
    for name in ("abel_transform", "even_chebyshev", "rising", "abel"):
        assert name in listed
    assert "Half of the highest power." in described
    run(command, "run", PLUGIN / "flame.toml", "--out", "out", "--threads", "1", cwd=tmp_path)
    assert (tmp_path / "out" / "figure.png").exists()
    assert "even_chebyshev" in run(command, "show", "out", cwd=tmp_path)


@pytest.mark.slow
def test_a_plug_in_passes_its_own_tests(with_plugin: Path, tmp_path: Path):
    tests = shutil.copytree(PLUGIN / "tests", tmp_path / "tests")
    python = with_plugin / "bin" / "python"
    assert "passed" in run(python, "-m", "pytest", "-q", tests, cwd=tmp_path)


def entry(value: str) -> EntryPoint:
    return EntryPoint("theirs", value, "inverse_inr.priors")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package:prior", "cannot be loaded from no_such_package:prior: ModuleNotFound"),
        ("math:no_such_name", "AttributeError"),
        ("math:pi", "math:pi is float, no prior"),
    ],
)
def test_a_plug_in_that_fails_is_named(monkeypatch, value, message):
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry(value)])
    priors = Registry("prior", "inverse_inr.priors", {})
    assert priors.names() == ["theirs"]
    with pytest.raises(ValueError, match=message):
        priors.get("theirs")
