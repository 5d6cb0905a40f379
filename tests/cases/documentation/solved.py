"""The notebooks' exercises, with the solutions that stand folded in the notebooks themselves.

    python tests/cases/documentation/solved.py notebooks/03_how_many_views.py

runs a notebook, then its solutions in the same names, and gives them to the checks.
"""

import re
import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9]*.py"))
SOLUTION = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)```", re.DOTALL)
CHECK = re.compile(r"^check_\d\d\.\w+\(.*\)$", re.MULTILINE)

sys.path.append(str(FOLDER))  # for `exercises`, as where a notebook runs


def solutions(script: Path) -> list[str]:
    """The code of each solution in a notebook."""
    text = script.read_text(encoding="utf-8")
    plain = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
    return SOLUTION.findall(plain)


def checks(script: Path) -> list[str]:
    """The lines of a notebook that check its answers."""
    return CHECK.findall(script.read_text(encoding="utf-8"))


def main(script: Path) -> None:
    """Run a notebook, its solutions and their checks."""
    names = runpy.run_path(str(script), run_name="__main__")
    for code, check in zip(solutions(script), checks(script), strict=True):
        exec(compile(code, "solution", "exec"), names)
        exec(compile(check, "check", "exec"), names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
