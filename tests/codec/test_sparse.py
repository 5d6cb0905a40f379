"""The sparse code of weights: exact, within its size, and no better than the plain quantiser."""

import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid, OnGrid, Problem, Solution, Term, priors, sample
from inverse_inr.codec import decode, decode_image, encode
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.sparse import (
    ATOMS,
    BLOCK,
    COUNTS,
    allotted,
    decode_sparse,
    encode_sparse,
    in_blocks,
    joined,
    matrix,
    pursued,
)
from inverse_inr.fidelity import L2
from inverse_inr.io.files import FileFormatError

BOX = Box((0.0, 0.0), (3.0, 2.0))
GRID = Grid(BOX, (24, 16))


def same(image: torch.Tensor) -> torch.Tensor:
    return image


@pytest.fixture(scope="module")
def solution() -> Solution:
    field = priors.siren(BOX, width=12, depth=2, omega0=5.0)
    with torch.no_grad():
        y = sample(field, GRID).reshape(-1)
    term = Term(OnGrid(same, GRID, GRID.shape), y, L2())
    return Solution(field, Problem([term], BOX, GRID, average=1), "siren")


def test_the_matrix_is_of_signs_and_always_the_same() -> None:
    assert matrix().shape == (BLOCK, ATOMS)
    assert set(np.unique(matrix())) == {-1, 1}
    assert matrix()[:2, :6].tolist() == [[1, -1, -1, -1, 1, 1], [-1, -1, 1, 1, 1, 1]]


def test_few_columns_are_found_again() -> None:
    random = np.random.default_rng(0)
    truth = np.zeros((2, ATOMS))
    for row in truth:
        row[random.choice(ATOMS, 4, replace=False)] = random.choice([-3.0, 2.0, 5.0], 4)
    weights = (truth @ matrix().T).reshape(-1)[:100]
    found = pursued(weights, np.ones(100))[COUNTS.index(4)]
    assert np.abs(found[0] - truth[0]).max() < 1e-9


def test_more_columns_err_less() -> None:
    weights = np.random.default_rng(0).normal(size=2 * BLOCK)
    errors = [
        float(((coefficients @ matrix().T - in_blocks(weights)) ** 2).sum())
        for coefficients in pursued(weights, np.ones(2 * BLOCK))
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9 * errors[0]


def test_what_is_felt_more_errs_less() -> None:
    weights = np.random.default_rng(0).normal(size=BLOCK)
    feelings = np.where(np.arange(BLOCK) < BLOCK // 2, 10.0, 0.1)
    coefficients = allotted(weights, feelings, pursued(weights, feelings), 0.05)
    errors = (0.05 * joined(coefficients, BLOCK) - weights) ** 2
    assert errors[: BLOCK // 2].sum() < 0.3 * errors[BLOCK // 2 :].sum()


def test_large_blocks_get_more_columns() -> None:
    scales = np.repeat([1.0, 0.05], BLOCK)
    weights = np.random.default_rng(0).normal(size=2 * BLOCK) * scales
    feelings = np.ones(2 * BLOCK)
    coefficients = allotted(weights, feelings, pursued(weights, feelings), 0.1)
    used = (coefficients != 0).sum(1)
    assert used[0] > 10 * used[1]


def test_coefficients_come_back() -> None:
    random = np.random.default_rng(1)
    numbers = np.round(random.laplace(0, 3, (3, ATOMS))).astype(np.int64)
    numbers[random.random(numbers.shape) < 0.8] = 0
    encoder = Encoder()
    encode_sparse(encoder, numbers)
    found = decode_sparse(Decoder(encoder.finish()), 2 * BLOCK + 1)
    assert (found == numbers).all()
    assert joined(found, 2 * BLOCK + 1).shape == (2 * BLOCK + 1,)


@pytest.mark.slow
def test_the_size_is_kept_and_more_bits_are_nearer(solution) -> None:
    y = solution.problem.terms[0].y
    errors = []
    for bits in (4.0, 8.0):
        data = encode(solution, bits_per_sample=bits, method="sparse")
        assert len(data) <= bits * GRID.numel / 8
        errors.append(float((decode_image(data).reshape(-1) - y).square().mean()))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.slow
def test_the_plain_quantiser_is_nearer_at_equal_size(solution) -> None:
    y = solution.problem.terms[0].y
    sparse, plain = (
        decode_image(encode(solution, bits_per_sample=8.0, method=method, finish=0)).reshape(-1)
        for method in ("sparse", "coin")
    )
    assert (plain - y).square().mean() < (sparse - y).square().mean()


def test_damage_and_too_few_bits_are_refused(solution) -> None:
    data = bytearray(encode(solution, bits_per_sample=6.0, method="sparse"))
    data[-30] ^= 0x11
    with pytest.raises(FileFormatError, match="codec"):
        decode(bytes(data))
    with pytest.raises(ValueError, match="sparsest code"):
        encode(solution, bits_per_sample=1.0, method="sparse")
