"""A wheel of this checkout, and an environment that holds it alone."""

import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from cases.command.wheel import run
from cases.tree import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built without network from what git knows or would add.

    What an earlier build left behind plays no part.
    """
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: which files belong to it is not known")
    copy = tmp_path_factory.mktemp("copy")
    out = tmp_path_factory.mktemp("wheel")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        source = ROOT / name
        target = copy / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--disable-pip-version-check",
        "-w",
        out,
        copy,
        cwd=out,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel alone and sees the libraries of this one.

    A line of a .pth file adds a folder without reading the .pth files in it, so that an editable
    install of this checkout is not seen.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin" / "python",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--disable-pip-version-check",
        wheel,
        cwd=folder,
    )
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    ours = Path(run(folder / "bin" / "python", "-c", where, cwd=folder).strip())
    paths = sysconfig.get_paths()
    libraries = dict.fromkeys([paths["purelib"], paths["platlib"]])
    (ours / "libraries.pth").write_text("\n".join(libraries) + "\n")
    return folder
