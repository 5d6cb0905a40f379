"""Pictures in fitted lattices: exact, within their size, learning what they should, refused."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.codec import decode, decode_image, encode, grid_of
from inverse_inr.codec.latent import floating, whole
from inverse_inr.codec.latent.coding import decode_lattices, encode_lattices
from inverse_inr.codec.latent.fitting import Fit
from inverse_inr.codec.latent.lattices import Lattice, lattices, placing, shapes
from inverse_inr.codec.latent.networks import ONE, fewer_planes
from inverse_inr.codec.latent.pyramid import DOUBLING, pyramid
from inverse_inr.codec.latent.rounding import kumaraswamy, soft_round
from inverse_inr.codec.latent.start import START
from inverse_inr.codec.latent.tables import PLACES, table
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.io.files import FileFormatError

SHAPE = (13, 22)
NETWORKS = {name: values.astype(np.float64) for name, values in START.items()}
FLOATING = {name: torch.from_numpy(values).float() / ONE for name, values in NETWORKS.items()}


def photograph(rows: int = 22, columns: int = 18) -> torch.Tensor:
    """A part of a picture on which the start was trained."""
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[100 : 100 + rows, 180 : 180 + columns] / 255.0)


def latents(planes: int = 3, spread: float = 2.0) -> dict[Lattice, np.ndarray]:
    random = np.random.default_rng(0)
    levels = shapes(SHAPE)
    return {
        lattice: np.round(random.laplace(0, spread, levels[lattice.level])).astype(np.int64)
        for lattice in lattices(planes)
    }


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode(photograph(), bits_per_sample=7.0, method="latent", steps=6)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_filters_between_levels_keep_constants(count) -> None:
    matrix = np.tensordot(DOUBLING, placing(count), (0, 0))
    assert matrix.shape == (count, (count + 1) // 2)
    assert np.abs(matrix.sum(1) - 1).max() < 1e-12


def test_filters_between_levels_keep_parabolas() -> None:
    """Cubic convolution is exact for them where it sees four places."""
    matrix = np.tensordot(DOUBLING, placing(32), (0, 0))
    coarse = 2 * np.arange(16) + 0.5
    fine = np.arange(32.0)
    assert np.abs(matrix @ coarse**2 - fine**2)[4:-4].max() < 1e-10


def test_the_pyramid_adds_up_to_the_planes() -> None:
    planes = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    planes[1] = torch.linspace(0, 2, SHAPE[0])[:, None].cos()
    filters = floating.Filters(SHAPE)
    down, across = filters.matrices(torch.tensor(DOUBLING).repeat(6, 1))
    found = torch.zeros_like(planes)
    for (level, plane), values in pyramid(planes, 0.1).items():
        own = values * Lattice(level, plane).gain * 0.1
        if level:
            own = down[level - 1] @ own @ across[level - 1].T
        found[plane] += own
    assert (found[0] - planes[0]).abs().max() < 1e-4
    # the other planes have no fine lattices
    assert (found[1] - planes[1]).abs().max() < 0.02


@pytest.mark.parametrize("index", [0, 20, 40, 70])
@pytest.mark.parametrize("place", [-8, 0, 5])
def test_tables_are_those_of_laplace(index, place) -> None:
    starts, reach = table(index, place)
    assert (starts[0], starts[-1], len(starts)) == (0, 2**16, 2 * reach + 2)
    assert (np.diff(starts) >= 1).all()
    edges = np.arange(1 - reach, reach + 1) - 0.5 - place / PLACES
    tail = 0.5 * np.exp(-np.abs(edges) / 2 ** (index / 8 - 4))
    expected = 2**16 * np.where(edges < 0, tail, 1 - tail)
    assert np.abs(np.array(starts[1:-1]) - expected).max() < 2 * len(starts)


def test_soft_rounding_goes_from_the_identity_to_rounding() -> None:
    values = torch.linspace(-2, 2, 41, dtype=torch.float64) + 0.013
    assert (soft_round(values, 100.0) - values).abs().max() < 1e-4
    assert (soft_round(values, 1e-3) - torch.round(values)).abs().max() < 1e-6


def test_noise_is_uniform_or_nearer_to_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    uniform, sharp = (kumaraswamy(20000, sharpness, generator) for sharpness in (1.0, 2.0))
    for noise in (uniform, sharp):
        assert noise.abs().max() <= 0.5
    assert float(uniform.var()) == pytest.approx(1 / 12, rel=0.03)
    assert float(sharp.var()) < 0.8 / 12


@pytest.mark.parametrize("planes", [1, 3])
def test_whole_numbers_make_what_floating_ones_make(planes) -> None:
    start = {k: v.astype(np.float64) for k, v in fewer_planes(START, planes).items()}
    own = {k: torch.from_numpy(v).float() / ONE for k, v in start.items()}
    numbers = latents(planes)
    seen = {lattice: torch.from_numpy(v).float() for lattice, v in numbers.items()}
    found = whole.synthesised(start, numbers, 0.125) / whole.FINE
    expected = floating.synthesised(own, seen, 0.125, floating.Filters(SHAPE)).numpy()
    assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_whole_numbers_predict_what_floating_ones_predict() -> None:
    numbers = latents()
    seen = {lattice: torch.from_numpy(v).float() for lattice, v in numbers.items()}
    centre, spread = floating.predicted(FLOATING, seen)
    predictor = whole.Predictor(NETWORKS)
    at = 0
    for lattice, values in numbers.items():
        sums = predictor.before(whole.neighbourhood(values), 0)
        others = whole.elsewhere(values.shape, lattice, numbers)
        index, middle = predictor.predicted(sums + predictor.before(others, whole.KNOWN))
        here = slice(at, at + values.size)
        at += values.size
        error = middle.reshape(-1) / PLACES - centre[here].numpy()
        assert np.abs(error).mean() < 0.1
        expected = (8 * spread[here].numpy() + 32).clip(0, 95)
        assert np.abs(index.reshape(-1) - expected).mean() < 1.0


@pytest.mark.parametrize("spread", [0.2, 3.0, 2000.0])
def test_lattices_come_back(spread) -> None:
    numbers = latents(spread=spread)
    numbers[Lattice(3, 1)][:] = 0
    encoder = Encoder()
    encode_lattices(encoder, whole.Predictor(NETWORKS), numbers, 3)
    decoder = Decoder(encoder.finish())
    found = decode_lattices(decoder, whole.Predictor(NETWORKS), SHAPE, 3)
    assert list(found) == lattices(3)
    for lattice, values in found.items():
        assert (values == numbers[lattice]).all()


def small_fit() -> Fit:
    image = photograph(16, 16).float().movedim(-1, 0)
    return Fit(image - image.mean(), START, 0.1, seed=0)


def loss_of(fit: Fit, price: float) -> float:
    with torch.no_grad():
        error, size = fit.measured(torch.round(fit.flat))
    return float(error / price + size / 16**2)


def test_exchanges_make_the_loss_less() -> None:
    fit = small_fit()
    fit.settle()
    losses = [loss_of(fit, fit.price)]
    for _ in range(10):
        fit.settle()
        losses.append(loss_of(fit, fit.price))
    assert losses[-1] < losses[0] - 0.02
    assert (fit.flat == fit.flat.round()).all()


@pytest.mark.slow
def test_a_fit_makes_the_loss_less_and_a_dear_bit_makes_it_shorter() -> None:
    fit = small_fit()
    before = loss_of(fit, fit.price)
    for step in range(20):
        fit.learn(step / 20)
    assert loss_of(fit, fit.price) < before
    size = fit.settle()
    fit.price *= 20
    for _ in range(15):
        fit.settle()
    assert fit.settle() < 0.8 * size


def test_the_size_is_kept_and_used(data) -> None:
    most = int(7.0 * 22 * 18 / 8)
    assert 0.8 * most < len(data) <= most
    image = photograph()
    assert (decode_image(data) - image).square().mean() < 0.05 * image.var()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 9, 1), (1, 20, 2)])
def test_any_size_and_values_come_back(shape) -> None:
    detail = torch.randn(shape[:2], generator=torch.Generator().manual_seed(0))
    image = 100 * detail[..., None] * torch.tensor([1.0, 0.7])[: shape[2]] - 300
    grid = Grid(Box((-1.0, 0.0), (1.0, 3.0), units=("mm", "mm")), shape[:2])
    found = encode(image, bits_per_sample=40.0, method="latent", grid=grid, steps=30)
    assert grid_of(found) == grid
    assert (decode_image(found) - image).square().mean() < 0.1 * image.var()


@pytest.mark.slow
def test_a_fit_is_the_same_again(data) -> None:
    assert encode(photograph(), bits_per_sample=7.0, method="latent", steps=6) == data


@pytest.mark.slow
@pytest.mark.parametrize("simple", [False, True])
def test_another_process_decodes_the_same(data, tmp_path, simple) -> None:
    """With other threads, and with the plainest instructions of the processor."""
    path = tmp_path / "picture.inr"
    path.write_bytes(data)
    code = (
        "import hashlib, torch, pathlib; torch.set_num_threads(2);"
        "from inverse_inr.codec import decode_image;"
        f"image = decode_image(pathlib.Path({str(path)!r}).read_bytes());"
        "print(hashlib.sha256(image.numpy().tobytes()).hexdigest())"
    )
    own = hashlib.sha256(decode_image(data).numpy().tobytes()).hexdigest()
    there = {**os.environ, "OMP_NUM_THREADS": "2"}
    if simple:
        there |= {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Prescott"}
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=there
    )
    assert other.stdout.strip() == own


@pytest.mark.parametrize("where", [4, 5, 6, 10, 12, 30, 60, -20, -3])
def test_an_altered_byte_is_noticed(data, where) -> None:
    changed = bytearray(data)
    changed[where] ^= 0x40
    with pytest.raises((FileFormatError, MemoryError), match="codec"):
        decode(bytes(changed))


@pytest.mark.parametrize("kept", [0, 3, 5, 12, 40, 150])
def test_cut_bytes_are_refused(data, kept) -> None:
    with pytest.raises(FileFormatError, match="codec"):
        decode(data[:kept])


@pytest.mark.parametrize(
    ("image", "bits", "message"),
    [
        (torch.rand(8, 8, 4), 90.0, "1 to 3 channels"),
        (torch.rand(8, 8, 8, 1), 90.0, "volumes, sound and video are for method='wavelet'"),
        (torch.rand(80, 1), 90.0, "codes pictures"),
        (torch.rand(8, 8, 1) + 0j, 90.0, "this one is complex"),
        (torch.rand(8, 8, 1), 0.5, "allows 4 bytes"),
    ],
)
def test_what_cannot_be_coded_is_refused_by_name(image, bits, message) -> None:
    with pytest.raises(ValueError, match=message):
        encode(image, bits_per_sample=bits, method="latent", steps=1)
