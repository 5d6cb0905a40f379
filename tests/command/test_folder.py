"""A run's folder: only what a run wrote there is ever removed; one process at a time."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cases.comparison import CONFIG

from inverse_inr.command import cli
from inverse_inr.command.comparison import Comparison, compare
from inverse_inr.command.config import Run
from inverse_inr.command.folder import is_free, record_more, removable, remove_orphans
from inverse_inr.command.lock import locked
from inverse_inr.command.tables import ConfigError

SMALL = CONFIG.replace("hash", "grid").replace("steps = 20", "steps = 5")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "small.toml").write_text(SMALL)
    cli.run(folder / "small.toml", out=folder / "out")
    return folder / "out"


@pytest.fixture
def out(finished, tmp_path) -> Path:
    """A copy of that folder, and a file beside it."""
    (tmp_path / "precious.txt").write_text("mine")
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@pytest.mark.parametrize(
    "name",
    [
        "../precious.txt",
        "{folder}/precious.txt",
        "sub/../../precious.txt",
        "sub/deeper/precious.txt",
        "..",
        ".",
        "",
        "./state.pt",
        "a\\b",
        "link.txt",
        "linked/precious.txt",
        "notes.txt",
        "sub",
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["list", "digests"])
def test_force_removes_nothing_that_a_run_did_not_write(config, out, tmp_path, name, listed):
    name = name.format(folder=tmp_path)
    (out / "sub").mkdir()
    (out / "notes.txt").write_text("notes")
    (out / "link.txt").symlink_to(tmp_path / "precious.txt")
    (out / "linked").symlink_to(tmp_path)
    (out / "files.json").write_text(json.dumps([name] if listed else {name: "0" * 64}))
    before = contents(out)
    with pytest.raises(ConfigError) as raised:
        cli.run(config, out=out, force=True)
    assert "Nothing was removed" in str(raised.value)
    assert repr(name) in str(raised.value) or name in str(raised.value)
    assert contents(out) == before
    assert (tmp_path / "precious.txt").read_text() == "mine"


@pytest.mark.parametrize("place", ["state.pt", "image.npz", "config.json"])
def test_a_link_in_the_place_of_a_file_of_ours_is_refused(config, out, tmp_path, place):
    (out / place).unlink()
    (out / place).symlink_to(tmp_path / "precious.txt")
    with pytest.raises(ConfigError, match=f"{place} is no file that a run wrote"):
        cli.run(config, out=out, force=True)
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_a_damaged_list_of_files_is_named(config, out):
    for text in ("{", "3"):
        (out / "files.json").write_text(text)
        with pytest.raises(ConfigError, match=r"files\.json is damaged"):
            cli.run(config, out=out, force=True)


def test_what_a_run_added_is_removed_and_what_changed_since_is_not(out):
    (out / "simulated").mkdir()
    added = [out / "poses.csv", out / "simulated" / "0_a.csv"]
    for path in added:
        path.write_text("1, 2")
    record_more(out, added)
    assert set(added) <= set(removable(out))
    added[0].write_text("1, 3")
    with pytest.raises(ConfigError, match=r"poses\.csv.*not what a run wrote"):
        removable(out)


@pytest.mark.parametrize("level", ["cells", "cells/grid-0"])
def test_force_of_a_comparison_follows_no_links(config, tmp_path, level):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    run = Run.read(config)
    compare(run, ["grid"], out=out, seeds=1)
    (out / level).rename(elsewhere)
    (out / level).symlink_to(elsewhere)
    cell = elsewhere if level.endswith("0") else elsewhere / "grid-0"
    before = contents(cell)
    if level == "cells":
        with pytest.raises(ConfigError, match="cells is a link"):
            compare(run, ["grid"], out=out, seeds=1, force=True)
    else:
        Comparison(run, ["grid"], out, 1).claim(force=True)
    assert contents(cell) == before


ORPHANS = [".state.pt.0123456789ab.pt", ".image.nii.gz.0123456789ab.nii.gz"]
OTHERS = [".state.pt.0123456789a.pt", ".hidden", "state.pt.0123456789ab.pt", ".a.0123456789ab.txt"]


def test_what_killed_writes_left_is_removed_and_nothing_else(tmp_path):
    for name in (*ORPHANS, *OTHERS):
        (tmp_path / name).write_text("x")
    (tmp_path / ".state.pt.ba9876543210.pt").symlink_to(tmp_path / OTHERS[0])
    remove_orphans(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*OTHERS, ".state.pt.ba9876543210.pt"}


def test_a_folder_of_a_run_that_died_at_once_is_free(config, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / ORPHANS[0]).write_text("half")
    (out / ".lock").write_text("{}")
    assert is_free(out)
    cli.run(config, out=out)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


HOLD = """
import sys, time
from pathlib import Path
from inverse_inr.command.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def holding(folder: Path, seconds: float) -> subprocess.Popen:
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "held\n"
    return held


def test_a_second_process_is_refused_by_the_first_ones_name_and_a_dead_one_is_not(
    config, out, capsys
):
    before = contents(out)
    first = holding(out, 60)
    with first:
        for command in (
            lambda: cli.run(config, out=out, force=True),
            lambda: cli.resume(out),
            lambda: cli.compare(str(config), priors="grid", out=out, force=True),
        ):
            with pytest.raises(ConfigError, match=f"Another run works in .*process {first.pid} on"):
                command()
        first.kill()
    after = contents(out)
    assert ".lock" in after  # the killed process could not remove it
    assert {k: v for k, v in after.items() if k != ".lock"} == before
    assert cli.resume(out) == 0
    assert not (out / ".lock").exists()


def test_wait(tmp_path, capsys):
    with holding(tmp_path / "out", 1.5) as first, locked(tmp_path / "out", wait=True):
        assert first.poll() is not None or first.wait(120) == 0
    assert f"waits for process {first.pid}" in capsys.readouterr().err


def test_a_file_is_no_folder(config, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="--out names a folder"):
        cli.run(config, out=tmp_path / "file")


def test_written_files_have_the_permissions_that_the_umask_leaves(config, tmp_path):
    before = os.umask(0o027)
    try:
        cli.run(config, out=tmp_path / "out")
    finally:
        os.umask(before)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()}
    assert set(modes.values()) == {0o640}, modes
    assert {"field.safetensors", "state.pt", "figure.png", "image.npz"} <= set(modes)
