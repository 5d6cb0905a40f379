"""What the command line says of errors that come from deep inside: an allocator without memory."""

import pytest

from inverse_inr.command import cli


def failing(monkeypatch: pytest.MonkeyPatch, message: str) -> None:
    def app() -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr("sys.argv", ["inverse-inr", "list"])


def test_an_allocator_that_finds_no_memory_is_one_line(monkeypatch):
    failing(monkeypatch, "DefaultCPUAllocator: can't allocate memory: you tried\nException raised")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert str(ended.value).startswith("inverse-inr: not enough memory: smaller sizes")
    assert "\n" not in str(ended.value)


def test_an_error_in_our_own_code_keeps_its_traceback(monkeypatch):
    failing(monkeypatch, "shapes do not fit")
    with pytest.raises(RuntimeError, match="shapes"):
        cli.main()
