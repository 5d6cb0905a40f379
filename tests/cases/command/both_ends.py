"""The fast tests with the oldest and with the newest versions that pyproject.toml allows.

`make versions` runs both. One end, another Python, other tests:

    python tests/cases/command/both_ends.py oldest --python python3.12 -- tests/io

A virtual environment is made below --folder for each end, and kept: the second time only what
changed is installed. The oldest end takes every lower bound of the dependencies and of the test
extra as "==", so a bound that is too low shows as an installation or a test that fails.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
BOUND = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)\s*>=\s*(?P<version>[0-9.]+)\s*(?P<marker>;.*)?$")
ENDS = ("oldest", "newest")


def requirements(extras: Iterable[str] = ("test",)) -> list[str]:
    """The requirements of the project and of some of its extras, as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = list(project["dependencies"])
    for extra in extras:
        found += project["optional-dependencies"][extra]
    return list(dict.fromkeys(found))


def oldest(asked: Sequence[str]) -> list[str]:
    """Each lower bound as the one version that is allowed; what has no bound stays out.

    Raises:
        ValueError: A requirement has a bound of another form, or two bounds of one name differ.
    """
    pins: dict[str, str] = {}
    for requirement in asked:
        if re.fullmatch(r"[A-Za-z0-9._-]+", requirement):
            continue
        bound = BOUND.match(requirement)
        if bound is None:
            raise ValueError(f"{requirement!r} is not of the form name>=version.")
        pin = f"{bound['name']}=={bound['version']}{bound['marker'] or ''}"
        if pins.setdefault(bound["name"], pin) != pin:
            raise ValueError(f"{bound['name']} has two bounds: {pins[bound['name']]} and {pin}.")
    return list(pins.values())


def prepare(end: str, python: str, folder: Path) -> Path:
    """Make or renew the virtual environment of one end, and return its Python."""
    place = folder / end
    if not (place / "bin" / "python").exists():
        subprocess.run([python, "-m", "venv", str(place)], check=True)
    inside = place / "bin" / "python"
    asked = ["-e", f"{ROOT}[test]"]
    if end == "oldest":
        pins = place / "oldest.txt"
        pins.write_text("\n".join(oldest(requirements())) + "\n")
        asked += ["-c", str(pins)]
    else:
        asked += ["--upgrade", "--upgrade-strategy", "eager"]
    subprocess.run([inside, "-m", "pip", "install", "-q", *asked], check=True)
    return inside


def main(words: Sequence[str] | None = None) -> int:
    """Install one end or both, and run the tests with each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ends", nargs="*", help="oldest, newest; both if none is named")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "versions")
    given = list(sys.argv[1:] if words is None else words)
    tests: list[str] = []
    if "--" in given:
        tests = given[given.index("--") + 1 :]
        given = given[: given.index("--")]
    chosen = parser.parse_args(given)
    if unknown := set(chosen.ends) - {*ENDS}:
        parser.error(f"{sorted(unknown)} are no ends: {' or '.join(ENDS)}.")
    failed = []
    for end in chosen.ends or ENDS:
        inside = prepare(end, chosen.python, chosen.folder)
        print(f"{end}:", flush=True)
        subprocess.run([inside, "-m", "pip", "list", "--format", "freeze"], check=True)
        command = [inside, "-m", "pytest", "-q", "-m", "not slow", *tests]
        if end == "oldest":  # an old library that calls a newer one by an old name is not our fault
            command += ["-W", "ignore::DeprecationWarning"]
        if subprocess.run(command, cwd=ROOT).returncode:
            failed.append(end)
    print(f"failed: {', '.join(failed) or 'none'}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
