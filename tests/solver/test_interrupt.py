"""Ctrl-C: heard at the end of a step, by every fit that runs, and at once where that is asked."""

import signal

import pytest

from inverse_inr.solver import interruptible


def ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_a_request_and_the_second_an_error():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as request:
        ctrl_c()
        assert request.made
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_fit_inside_another_tells_the_outer_one():
    with interruptible() as outer:
        with interruptible() as inner:
            ctrl_c()
        assert inner.made
        assert outer.made


def test_at_once():
    with pytest.raises(KeyboardInterrupt), interruptible(at_once=True):
        ctrl_c()
    with interruptible(at_once=True) as outer:
        with interruptible():
            ctrl_c()  # the fit ends softly
        assert outer.made
