"""Figures hold what they should, without pyplot; how they look was judged by eye."""

import io
import math
import sys
from typing import Any

import numpy as np
import pytest
import torch

from inverse_inr import plotting


@pytest.fixture(autouse=True)
def no_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing pyplot fails here: it would touch the user's backend."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)


def shown(axes: Any) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


def drawn(axes: Any) -> Any:
    """The axes' figure after a full draw, which runs the layout (a warning would be an error)."""
    axes.figure.savefig(io.BytesIO(), format="png", dpi=40)
    return axes.figure


def test_image_shows_rows_downwards_with_a_colour_bar() -> None:
    values = torch.arange(12.0).reshape(3, 4, 1)
    axes = plotting.image(values, title="numbers")
    assert np.array_equal(shown(axes), values[..., 0].numpy())
    assert axes.get_ylim() == (2.5, -0.5)
    assert axes.images[0].get_clim() == (0, 11)
    assert axes.get_title() == "numbers"
    assert len(drawn(axes).axes) == 2


def test_image_draws_into_given_axes() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    given = figure.subplots()
    assert plotting.image(torch.rand(3, 4), axes=given, value_range=(-1, 2)) is given
    assert given.images[0].get_clim() == (-1, 2)
    assert figure.axes == [given]


def test_complex_shows_modulus_and_odd_values_draw() -> None:
    values = torch.tensor([[3 + 4j, 1j]])
    assert np.allclose(shown(plotting.image(values)), [[5, 1]])
    constant = plotting.image(torch.zeros(3, 3))
    low, high = constant.images[0].get_clim()
    assert low < high
    drawn(constant)
    broken = plotting.image(torch.tensor([[math.nan, 1.0], [2.0, math.inf]]))
    assert broken.images[0].get_clim() == (1, 2)
    drawn(broken)


def test_compare_shares_scales_and_shows_errors() -> None:
    truth = torch.rand(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    images = {"truth": truth, "noisy": truth + 0.25, "dark": truth - 0.5}
    axes = plotting.compare(images, errors_against="truth", title="all")
    assert axes.shape == (2, 3)
    low, high = truth.min().item() - 0.5, truth.max().item() + 0.25
    assert all(ax.images[0].get_clim() == pytest.approx((low, high)) for ax in axes[0])
    assert [ax.get_title() for ax in axes[0]] == list(images)
    row = int(truth.diff(dim=1).abs().sum(1).argmax())  # the row that varies most, cut through all
    assert axes[1, 0].get_title() == f"row {row}"
    cuts = {line.get_label(): line.get_ydata() for line in axes[1, 0].lines}
    assert cuts.keys() == images.keys()
    assert all(np.array_equal(cuts[name], images[name][row].numpy()) for name in images)
    assert list(axes[0, 0].lines[0].get_ydata()) == [row, row]
    assert np.allclose(shown(axes[1, 1]), 0.25)
    assert np.allclose(shown(axes[1, 2]), 0.5)
    assert all(ax.images[0].get_clim() == pytest.approx((0, 0.5)) for ax in axes[1, 1:])
    assert len(drawn(axes[0, 0]).axes) == 6 + 2


def test_compare_keeps_everything_apart() -> None:
    images = {f"a long name of method {k}, which wraps": torch.rand(20, 12) for k in range(3)}
    axes = plotting.compare(images, errors_against=next(iter(images)))
    figure = drawn(axes[0, 0])
    boxes = [ax.get_tightbbox() for ax in figure.axes if ax.axison]
    assert len(boxes) == 6 + 2
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            down = min(a.y1, b.y1) - max(a.y0, b.y0)
            assert min(across, down) < 1, "two panels overlap by a pixel or more"
    picture = axes[0, 0].get_position()
    bar = figure.axes[-2].get_position()
    assert bar.height == pytest.approx(picture.height, rel=0.05)


def test_compare_takes_the_difference_of_complex_images() -> None:
    one = torch.ones(4, 4, dtype=torch.complex64)
    axes = plotting.compare({"one": one, "turned": 1j * one}, errors_against="one")
    assert np.allclose(shown(axes[1, 1]), math.sqrt(2))


def test_one_image_alone_is_compared_with_itself() -> None:
    axes = plotting.compare(
        {"only": torch.rand(5, 5, 1)}, errors_against="only", value_range=(0, 1)
    )
    assert axes.shape == (2, 1)
    drawn(axes[0, 0])


def test_slices_are_the_centre_planes() -> None:
    volume = torch.arange(4 * 6 * 10.0).reshape(4, 6, 10)
    axes = plotting.slices(volume[..., None], spacing=(3.0, 1.0, 1.0))
    expected = volume[2], volume[:, 3], volume[:, :, 5]
    for ax, plane in zip(axes, expected, strict=True):
        assert np.array_equal(shown(ax), plane.numpy())
        assert ax.images[0].get_clim() == (0, 239)
    assert [ax.get_aspect() for ax in axes] == [1, 3, 3]
    assert len(drawn(axes[0]).axes) == 4


def test_measurements_are_unflattened() -> None:
    y = torch.arange(15.0)
    axes = plotting.measurements(y[:, None], (3, 5), labels=("view", "detector"))
    assert np.array_equal(shown(axes), y.reshape(3, 5).numpy())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("detector", "view")
    drawn(axes)
    with pytest.raises(ValueError, match=r"y of shape \(15,\) does not fill an image of \(4, 5\)"):
        plotting.measurements(y, (4, 5))


def test_history_draws_the_keys_it_finds() -> None:
    records = [{"step": k, "loss": 1 / (k + 1), "held_out": None, "rate": 1.0} for k in range(9)]
    for checked in records[::4]:
        checked["held_out"] = 0.5
    axes = plotting.history(records)
    assert axes.get_yscale() == "log"
    curves = {line.get_label(): np.asarray(line.get_xdata()) for line in axes.get_lines()}
    assert list(curves) == ["loss", "held out"]
    assert list(curves["held out"]) == [0, 4, 8]
    drawn(axes)
    assert len(plotting.history([{"step": 0, "loss": 1.0}]).get_lines()) == 1
    assert len(plotting.history(records, keys=("rate",)).get_lines()) == 1
    negative = plotting.history([{"step": 0, "loss": -1.0}, {"step": 1, "loss": 2.0}])
    assert negative.get_yscale() == "linear"


A = torch.rand(3, 3)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: plotting.history([{"step": 0, "time": 1.0}]),
            r"records, which have \['step', 'time'\]",
        ),
        (lambda: plotting.compare({}), "there are no images"),
        (lambda: plotting.compare({"a": A}, errors_against="b"), "errors_against='b' is none of"),
        (
            lambda: plotting.compare({"a": A, "b": torch.rand(3, 4)}, errors_against="a"),
            r"'b' has shape \(3, 4\) but 'a' has \(3, 3\)",
        ),
        (lambda: plotting.image(torch.rand(3, 3, 3)), "pick one channel"),
        (lambda: plotting.image(A, value_range=(1, 0)), "low < high"),
        (lambda: plotting.slices(A), "is no 3-D image"),
        (
            lambda: plotting.slices(torch.rand(3, 3, 3), spacing=(1, 1)),
            "three positive voxel sizes",
        ),
        (lambda: plotting.gallery([{}]), "no images"),
        (
            lambda: plotting.gallery([{"v": torch.zeros(3, 3, 3)}]),
            r"gallery: 'v'.*use slices",
        ),
    ],
    ids=[
        "no key to draw",
        "nothing to compare",
        "unknown reference",
        "two shapes",
        "three channels",
        "empty range",
        "slices of a plane",
        "two spacings",
        "empty gallery",
        "gallery of volumes",
    ],
)
def test_what_cannot_be_drawn_is_named(draw, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw()


def test_gallery_is_one_scale_over_rows_of_any_length() -> None:
    first = {"a": torch.full((4, 6), 1.0), "b": torch.full((4, 6, 1), 3.0)}
    axes = plotting.gallery([first, {"c": torch.full((4, 6), -2.0)}], title="three")
    assert axes.shape == (2, 2)
    assert {ax.images[0].get_clim() for ax in axes.flat[:3]} == {(-2, 3)}
    assert [ax.get_title() for ax in axes.flat] == ["a", "b", "c", ""]
    assert not axes[1, 1].axison
    assert len(drawn(axes.flat[0]).axes) == 5  # one colour bar
    ranged = plotting.gallery([first], value_range=(0, 2))
    assert {ax.images[0].get_clim() for ax in ranged.flat} == {(0, 2)}


def test_fields_on_a_line_are_curves_over_their_positions() -> None:
    positions = torch.tensor([0.5, 1.5, 2.5])
    fields = {"truth": torch.tensor([1.0, 2.0, 3.0]), "siren": torch.tensor([3j, 4.0, -5.0])}
    axes = plotting.profiles(fields, positions, unit="mm")
    assert [line.get_label() for line in axes.lines] == ["truth", "siren"]
    assert np.allclose(axes.lines[1].get_ydata(), [3, 4, 5])
    assert axes.get_xlabel() == "mm"
    drawn(axes)
    with pytest.raises(ValueError, match=r"'siren' has shape \(2,\)"):
        plotting.profiles({"siren": torch.zeros(2)}, positions)
    with pytest.raises(ValueError, match="no fields"):
        plotting.profiles({}, positions)
