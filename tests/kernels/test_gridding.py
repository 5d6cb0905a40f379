"""Gridding against the Fourier sum itself."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr.kernels import spectrum_interpolation
from inverse_inr.kernels.gridding import Gridding

F64 = torch.float64


def frequencies(count: int = 60, d: int = 2) -> np.ndarray:
    """Places anywhere in the band, and zero, the axes and both sides of the Nyquist lines."""
    inside = np.random.default_rng(0).uniform(-0.5, 0.5, (count, d))
    edges = np.stack(np.meshgrid(*[[-0.5, 0, 0.25, 0.5]] * d), -1).reshape(-1, d)
    return np.concatenate([inside, edges])


def direct(image: Tensor, k: np.ndarray) -> Tensor:
    """The sum itself, over the last axes of (*batch, *shape)."""
    shape = image.shape[-k.shape[1] :]
    axes = [np.arange(n) - (n - 1) / 2 for n in shape]
    x = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
    kind = torch.complex128
    return image.to(kind).flatten(-len(shape)) @ torch.from_numpy(np.exp(-2j * np.pi * (x @ k.T)))


SHAPES = [(16, 16), (15, 17), (12, 31), (33, 8), (5, 4), (2, 16, 11), (17,), (6, 7, 8)]
FIELDS = [
    (torch.float32, True),
    (F64, True),
    (torch.float32, False),
    (torch.complex64, False),
    (F64.to_complex(), False),
]


def images(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[Tensor, np.ndarray]:
    """An image, or two where the first axis is 2, and frequencies for it."""
    d = len(shape)
    if shape[0] == 2:
        d = 2
    image = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return image, frequencies(d=d)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "real"), FIELDS)
def test_gridding_is_the_fourier_sum(
    shape: tuple[int, ...], dtype: torch.dtype, real: bool
) -> None:
    image, k = images(shape, dtype)
    operator = Gridding(shape[-k.shape[1] :], k, real=real, dtype=dtype.to_real())
    got, expected = operator(image), direct(image, k)
    assert got.dtype == dtype.to_complex()
    assert torch.linalg.vector_norm(got - expected) < 3e-5 * torch.linalg.vector_norm(expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "real"), [(F64, True), (F64.to_complex(), False)])
def test_gridding_has_an_exact_adjoint(
    shape: tuple[int, ...], dtype: torch.dtype, real: bool
) -> None:
    image, k = images(shape, dtype)
    operator = Gridding(shape[-k.shape[1] :], k, real=real, dtype=F64)
    y = operator(image.requires_grad_())
    r = torch.randn_like(y)
    (back,) = torch.autograd.grad(y, image, r)
    left = torch.vdot(y.detach().flatten(), r.flatten()).real
    right = (image.detach().conj() * back).sum().real
    size = torch.linalg.vector_norm(y.detach()) * torch.linalg.vector_norm(r)
    assert abs(left - right) < 1e-12 * size


def test_gridding_with_a_wider_kernel_is_more_accurate() -> None:
    image, k = images((16, 12), F64)
    exact = direct(image, k)

    def largest_error(width: int) -> float:
        operator = Gridding((16, 12), k, oversampling=2.0, width=width, dtype=F64)
        return float((operator(image) - exact).abs().max())

    errors = [largest_error(width) for width in (4, 6, 8)]
    assert errors[0] > 20 * errors[1] > 400 * errors[2]


@pytest.mark.parametrize(
    ("k", "message"),
    [(np.full((3, 2), 0.6), "an image holds 1/2"), (np.zeros((3, 3)), "must be")],
    ids=["beyond Nyquist", "three axes"],
)
def test_frequencies_that_an_image_cannot_hold_are_refused(k: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Gridding((8, 8), k)


def test_an_image_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="of images"):
        Gridding((8, 8), np.zeros((3, 2)))(torch.zeros(8, 9))


def test_a_complex_image_of_a_real_gridding_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        Gridding((8, 8), np.zeros((3, 2)), real=True)(torch.zeros(8, 8, dtype=torch.complex64))


@pytest.mark.parametrize(("shape", "real"), [((9,), False), ((7, 10), True), ((4, 5, 6), False)])
def test_the_map_without_a_matrix_in_a_compiled_step_is_the_same(shape, real) -> None:
    k = np.random.default_rng(3).uniform(-0.5, 0.5, (13, len(shape)))
    interpolation = Gridding(shape, k, width=4, real=real, dtype=F64).interpolation
    generator = torch.Generator().manual_seed(1)
    cells = int(np.prod(interpolation.sizes))
    values = torch.randn(2, cells, dtype=torch.complex128, generator=generator)
    torch.testing.assert_close(interpolation._gathered(values), interpolation(values))


def test_a_matrix_that_was_left_behind_is_made_again_where_it_is_needed() -> None:
    image, k = images((7, 10), F64)
    operator = Gridding((7, 10), k, dtype=F64)
    expected = operator(image)
    operator.interpolation.matrix = None
    torch.testing.assert_close(operator(image), expected)
    operator.interpolation.matrix = None
    assert operator.to("cpu").interpolation.matrix is not None


def test_no_matrix_is_made_before_it_is_needed_where_kernels_may_take_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, k = images((7, 10), F64)
    expected = Gridding((7, 10), k, dtype=F64)(image)
    monkeypatch.setattr(spectrum_interpolation, "device_with_kernels", lambda: True)
    operator = Gridding((7, 10), k, dtype=F64)
    assert operator.interpolation.matrix is None
    copied = copy.deepcopy(operator).to(torch.float32).to(F64)
    assert copied.interpolation.matrix is None
    torch.testing.assert_close(operator(image), expected)
    assert operator.interpolation.matrix is not None
    assert operator.to("cpu").interpolation.matrix is not None


@pytest.mark.slow
def test_the_map_without_a_matrix_is_one_graph_with_its_adjoint() -> None:
    k = np.random.default_rng(3).uniform(-0.5, 0.5, (13, 2))
    interpolation = Gridding((7, 10), k, width=4, dtype=F64).interpolation
    generator = torch.Generator().manual_seed(1)
    cells = int(np.prod(interpolation.sizes))
    values = torch.randn(2, cells, dtype=torch.complex128, generator=generator).requires_grad_()
    expected = interpolation(values)
    r = torch.randn(expected.shape, dtype=torch.complex128, generator=generator)
    (back,) = torch.autograd.grad(expected, values, r)
    interpolation.matrix = None
    found = torch.compile(interpolation, backend="aot_eager", fullgraph=True)(values)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, values, r)[0], back)
    assert interpolation.matrix is None
