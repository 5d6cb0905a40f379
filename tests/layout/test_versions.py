"""What pyproject.toml says of versions: the Pythons that are tested, bounds that can be tried."""

import re
import tomllib

import pytest
from cases.command import both_ends
from cases.tree import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_pythons_that_are_named_are_those_that_are_tested():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    (tested,) = re.findall(r"python: \[(.*)\]", workflow)
    assert named == re.findall(r"[\d.]+", tested)
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_every_requirement_has_one_lower_bound():
    extras = PROJECT["optional-dependencies"]
    pins = both_ends.oldest(both_ends.requirements(extras))
    assert len(pins) >= len(PROJECT["dependencies"]) + 10
    for requirement in PROJECT["dependencies"]:
        assert requirement.replace(">=", "==") in pins
    build = both_ends.BOUND.match(*PYPROJECT["build-system"]["requires"])
    assert build is not None
    assert f"setuptools=={build['version']}" in pins


def test_what_constraints_pin_is_allowed():
    (torch,) = re.findall(r"^torch==([\d.]+)$", (ROOT / "constraints.txt").read_text(), re.M)
    (least,) = re.findall(r"torch==([\d.]+)", "\n".join(both_ends.oldest(PROJECT["dependencies"])))
    assert as_numbers(torch) >= as_numbers(least)


def test_bounds_that_cannot_be_tried_are_refused():
    assert both_ends.oldest(["a>=1.2; platform_system == 'Linux'", "b"]) == [
        "a==1.2; platform_system == 'Linux'"
    ]
    with pytest.raises(ValueError, match=r"'a~=1.0' is not of the form"):
        both_ends.oldest(["a~=1.0"])
    with pytest.raises(ValueError, match="a has two bounds"):
        both_ends.oldest(["a>=1", "a>=2"])
