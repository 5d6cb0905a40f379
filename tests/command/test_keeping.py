"""The files of a run: what is written seldom waits, and is written at the end."""

import errno
from pathlib import Path

import pytest

from inverse_inr.command import keeping
from inverse_inr.command.keeping import Keeper


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(keeping.time, "monotonic", lambda: now[0])
    return now


def test_what_is_written_seldom_waits_for_the_end(tmp_path: Path, clock):
    keeper = Keeper(tmp_path)
    file = tmp_path / "a"
    for text, after in (("1", 0.0), ("2", 0.1), ("3", keeping.REST), ("4", 0.1)):
        clock[0] += after
        keeper.keep_seldom("a", lambda path, t=text: path.write_text(t))
        assert file.read_text() == {"2": "1", "4": "3"}.get(text, text)
    keeper.finish()
    assert file.read_text() == "4"
    file.unlink()
    keeper.finish()
    assert not file.exists()


def test_a_full_disk_at_the_end_is_an_error(tmp_path: Path, clock):
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    keeper = Keeper(tmp_path)
    keeper.keep_seldom("a", lambda path: path.write_text("1"))
    keeper.keep_seldom("a", full)
    with pytest.raises(OSError, match="a could not be written"):
        keeper.finish()
