"""Long works end at Ctrl-C and keep what they have."""

import signal

import pytest
import torch

from inverse_inr.codec import decode_image, encode
from inverse_inr.codec.latent.fitting import Fit
from inverse_inr.codec.showing import interrupted, shown_steps
from inverse_inr.solver import interruptible


def test_all_steps_are_counted() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert list(shown_steps(4, "work")) == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_ends_the_steps_and_those_of_later_works() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []
    with interruptible():
        for step in shown_steps(10, "work"):
            seen.append(step)
            if step == 3:
                signal.raise_signal(signal.SIGINT)
        assert seen == [0, 1, 2, 3]
        assert interrupted()
        assert not list(shown_steps(10, "another work"))
    assert not interrupted()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_raises() -> None:
    def impatient() -> None:
        for _ in shown_steps(10, "work"):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        impatient()


def test_an_interrupted_fit_is_a_whole_file(monkeypatch) -> None:
    made = []

    def once(fit: Fit, *_: float) -> None:
        made.append(fit)
        if len(made) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Fit, "step_once", once)
    image = torch.rand(8, 8, 1, generator=torch.Generator().manual_seed(0))
    data = encode(image, bits_per_sample=40.0, method="latent", steps=1000)
    assert len(made) == 3
    assert decode_image(data).shape == image.shape


def test_interrupting_the_trials_of_frequencies_keeps_the_best(monkeypatch) -> None:
    from inverse_inr.codec import coin

    made = []
    whole = coin.fit_many

    def counted(*words: object, **options: object) -> object:
        made.append(options["steps"])
        signal.raise_signal(signal.SIGINT)
        return whole(*words, **{**options, "steps": 1})  # type: ignore[arg-type]

    monkeypatch.setattr(coin, "fit_many", counted)
    sound = torch.linspace(0, 9, 600).sin()[:, None]
    data = encode(sound, bits_per_sample=6.0, steps=80)
    assert made == [10]
    assert decode_image(data).shape == (600, 1)
