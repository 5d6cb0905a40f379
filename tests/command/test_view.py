"""`inverse-inr view` and `run --watch` on the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from cases.comparison import CONFIG
from cases.viewing.run_folder import HISTORY, grid_of, make_run, numbered, write

from inverse_inr.command import cli
from inverse_inr.command.folder import clear
from inverse_inr.command.looking import view as module
from inverse_inr.command.looking.found import found
from inverse_inr.command.looking.view import view
from inverse_inr.command.tables import ConfigError
from inverse_inr.io import write_image

GRID = grid_of((3, 4), ("cm", "cm"))


def refused(*outs: Path, **words) -> str:
    with pytest.raises((OSError, ConfigError)) as caught:
        view(*outs, browser=False, **words)
    return str(caught.value)


def test_what_is_no_run_is_refused_before_the_server_begins(tmp_path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "file").write_text("")
    make_run(tmp_path / "runs" / "a")
    assert "needs the folder of a run" in refused()
    assert "there is no such folder" in refused(tmp_path / "none")
    assert "is a file" in refused(tmp_path / "file")
    assert "holds no run (there is no config.json)." in refused(tmp_path / "plain")
    assert f"inverse-inr view {tmp_path / 'runs' / 'a'}" in refused(tmp_path / "runs")
    (tmp_path / "plain" / "config.json").write_text("{")
    assert "is damaged" in refused(tmp_path / "plain")
    assert "--port is 70000" in refused(tmp_path / "runs" / "a", port=70000)


def test_an_unfinished_run_shows_what_is_there_and_says_so(tmp_path):
    folder = make_run(tmp_path / "run", finished=False)
    for name in ("image.npz", "history.json", "truth.npz", "uncertainty.npz", "table.json"):
        (folder / name).unlink()
    contents = found(folder)
    assert contents.state == "unfinished"
    assert [volume.title for volume in contents.volumes] == ["TV"]
    assert contents.notes[0].endswith(f"inverse-inr resume {folder}")
    (folder / "baseline-TV.npz").unlink()
    assert "no image yet" in found(folder).notes[1]
    (folder / ".lock").write_text("{}")
    shutil.copy(Path(__file__).parents[2] / "docs" / "ct.png", folder / "watch.png")
    write(folder, "watch.json", {"method": "hash", "history": [{"step": 5, "loss": 1.0}]})
    contents = found(folder)
    assert contents.state == "running"
    assert contents.live == folder / "watch.png"
    assert contents.curves[0].records == [{"step": 5, "loss": 1.0}]


@pytest.mark.parametrize("name", ["history.json", "table.json", "verdict.json", "files.json"])
def test_a_damaged_file_is_named_and_the_rest_is_shown(tmp_path, name):
    folder = make_run(tmp_path / "run")
    for content in ("{", "3"):
        (folder / name).write_text(content)
        contents = found(folder)
        assert any(name in note and "damaged" in note for note in contents.notes)
        assert len(contents.volumes) == 4


def test_links_to_records_are_not_followed(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "table.json").rename(tmp_path / "table.json")
    (folder / "table.json").symlink_to(tmp_path / "table.json")
    contents = found(folder)
    assert contents.table == []
    assert contents.notes == ["table.json is a link, which is not followed."]
    (folder / "config.json").rename(tmp_path / "config.json")
    (folder / "config.json").symlink_to(tmp_path / "config.json")
    assert "is no file of this folder" in refused(folder)


def test_a_result_that_is_a_method_made_anew_has_a_name_of_its_own(tmp_path):
    folder = make_run(tmp_path / "run")
    write(folder, "history.json", {"method": "TV", "history": []})
    titles = [volume.title for volume in found(folder).volumes]
    assert titles == ["truth", "TV", "TV, the result", "standard deviation"]


def make_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def test_a_comparison_shows_its_cells(tmp_path):
    out = tmp_path / "out"
    for name, history in {"classical-FBP-0": [], "hash-0": HISTORY}.items():
        method = name.split("-")[-2]
        write_image(make_folder(out / "cells" / name) / "image.npz", numbered((3, 4)), GRID)
        cell = {"method": method, "seed": 0, "values": {"PSNR": 20.0}, "history": history}
        write(out / "cells" / name, "cell.json", cell)
    failed = {"method": "siren", "seed": 0, "note": "ValueError: no"}
    write(make_folder(out / "cells" / "siren-0"), "cell.json", failed)
    record = {"config": {}, "priors": ["hash", "siren"], "seeds": 1, "options": {}, "command": ""}
    write(out, "config.json", {**record, "finished": True})
    write_image(out / "truth.npz", numbered((3, 4)), GRID)
    contents = found(out)
    assert contents.notes == ["siren, seed 0 failed: ValueError: no"]
    assert [(v.title, v.role) for v in contents.volumes] == [
        ("truth", "truth"),
        ("FBP, seed 0", "method"),
        ("hash, seed 0", "result"),
    ]
    assert [curve.title for curve in contents.curves] == ["hash, seed 0"]
    assert contents.state == "finished"


def test_a_run_that_goes_wrong_while_it_is_looked_at_says_so(tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run")
    looks = []
    monkeypatch.setattr(module, "serve", lambda look, **_: looks.append(look))
    view(folder, folder, browser=False)
    assert len(looks[0]()) == 1  # the same folder is shown once
    shutil.rmtree(folder)
    (contents,) = looks[0]()
    assert "holds no run" in contents.notes[0]


def test_a_run_keeps_its_truth_and_what_was_watched(tmp_path, monkeypatch):
    monkeypatch.setattr("inverse_inr.viewing.watching.SHARE", 1e3)
    (tmp_path / "small.toml").write_text(CONFIG.replace("steps = 20", "steps = 5"))
    out = tmp_path / "out"
    assert cli.run(str(tmp_path / "small.toml"), out=out, watch=1e-9) == 0
    assert {"truth.npz", "watch.png", "watch.json"} <= {path.name for path in out.iterdir()}
    contents = found(out)
    assert [volume.title for volume in contents.volumes] == ["truth", "FBP", "hash"]
    assert contents.live is None  # the image itself is there
    with pytest.raises(ConfigError, match=r"--watch is the seconds .* got -1"):
        cli.run(str(tmp_path / "small.toml"), out=out, watch=-1.0, force=True)
    assert (out / "image.npz").exists()
    clear(out)
    assert not list(out.iterdir())


@pytest.mark.slow
def test_ctrl_c_ends_the_server(tmp_path):
    folder = make_run(tmp_path / "run")
    command = [sys.executable, "-m", "inverse_inr", "view", str(folder), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(f"{url}runs") as response:
        assert json.loads(response.read())[0]["name"] == str(folder)
    os.kill(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("closed\n")
    assert errors == ""


def test_the_path_of_a_weight_that_held_out_rows_choose_is_kept(tmp_path):
    text = CONFIG.replace("steps = 20", "steps = 5") + (
        '[[regularizers]]\nname = "total_variation"\nweight = "held-out"\n'
    )
    (tmp_path / "small.toml").write_text(text)
    out = tmp_path / "out"
    assert cli.run(str(tmp_path / "small.toml"), out=out) == 0
    contents = found(out)
    assert len(contents.weights) >= 4
    assert contents.weight is not None
    assert f"{contents.weight:.4g}" in contents.weights
    least = min(contents.weights.values())
    assert contents.weights[f"{contents.weight:.4g}"] == least
