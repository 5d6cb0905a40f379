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
from inverse_inr.codec.latent.coding import around, decode_lattices, encode_lattices
from inverse_inr.codec.latent.contexts import NEAR, OTHERS, UNIT, Layout, flags
from inverse_inr.codec.latent.exchanging import Latents
from inverse_inr.codec.latent.fitting import Fit
from inverse_inr.codec.latent.networks import ONE, PLANES
from inverse_inr.codec.latent.start import START
from inverse_inr.codec.latent.tables import LARGEST, PER_ONE, shares
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.wavelet import bands as wavelet_bands
from inverse_inr.codec.wavelet.bands import Band, turned
from inverse_inr.codec.wavelet.contexts import neighbour_roots
from inverse_inr.codec.wavelet.filter_bank import Level, analysed, synthesised
from inverse_inr.io.files import FileFormatError

SHAPE = (33, 50)
NETWORKS = {name: values.astype(np.float64) for name, values in START.items()}
FLOATING = {name: torch.from_numpy(values).float() / ONE for name, values in NETWORKS.items()}


def photograph(rows: int = 34, columns: int = 37) -> torch.Tensor:
    """A part of a picture on which the start was trained."""
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[100 : 100 + rows, 180 : 180 + columns] / 255.0)


def latents(layout: Layout, spread: float = 2.0) -> np.ndarray:
    random = np.random.default_rng(0)
    found = np.round(random.laplace(0, spread, layout.count + 1)).astype(np.int64)
    found[-1] = 0
    return found


def seen_by(layout: Layout, numbers: np.ndarray) -> Latents:
    found = Latents(layout, torch.ones(layout.count), seed=0)
    found.whole = torch.from_numpy(numbers[:-1]).float()
    return found


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode(photograph(), bits_per_sample=4.0, method="latent", steps=3)


def test_bands_in_a_row_come_back() -> None:
    layout = Layout(SHAPE, 2)
    numbers = latents(layout)
    split = layout.split(numbers)
    assert {band.level for band in split} == {0, 1}
    assert split[Band(0, 0, 0)].shape == (17, 25)
    assert split[Band(0, 0, 1)].shape == (16, 25)
    assert (layout.joined(split) == numbers).all()


@pytest.mark.parametrize("band", [Band(0, 2, 0), Band(0, 1, 2), Band(1, 0, 1), Band(1, 2, 2)])
def test_contexts_know_what_those_of_the_wavelet_method_know(band) -> None:
    """Where no band is cut, those are sums over the same places, written in another way."""
    layout = Layout((32, 64), 3)
    numbers = latents(layout)
    known = layout.split(numbers)
    place, seen = layout.places[band], layout.seen(band)
    own = np.concatenate([np.abs(numbers)[seen], around(layout, numbers)[seen[NEAR:]]])
    expected = wavelet_bands.around(known, band, known[band].shape).reshape(15, -1)
    magnitudes = turned(np.abs(known[band]), band.kind)
    whole_roots = np.floor(np.sqrt(own[: NEAR + OTHERS]) * UNIT)
    assert (whole_roots[:NEAR] == neighbour_roots(magnitudes).reshape(NEAR, -1)).all()
    assert (whole_roots[NEAR:] == expected[0:10:2]).all()
    # those of the wavelet method are divided by four, and rounded down, before the root is taken
    assert np.abs(own[NEAR + OTHERS :] / 2 - expected[1:10:2]).max() < UNIT
    assert seen.shape[1] == place.rows * place.columns
    assert flags(band)[-1] == UNIT


def test_shares_are_those_of_logits() -> None:
    logits = np.arange(-LARGEST, LARGEST + 1) / PER_ONE
    yes = np.array([middle for _, middle, _ in shares()])
    assert np.abs(yes - 2**16 / (1 + np.exp(-logits))).max() <= 0.51
    assert (yes + yes[::-1] == 2**16).all()


def test_matrices_join_bands_as_lifting_does() -> None:
    image = np.random.default_rng(0).standard_normal((2, *SHAPE))
    layout, joining = Layout(SHAPE, 2), floating.Joining(SHAPE, 2)
    split = [analysed(plane, 2) for plane in image]
    known = {b: torch.from_numpy(split[b.plane][1][b.level][b.kind]).float() for b in layout.places}
    lows = torch.from_numpy(np.stack([low for low, _ in split])).float()
    assert np.abs(joining(lows, known).numpy() - image).max() < 1e-3


@pytest.mark.parametrize("band", [Band(0, 0, 0), Band(1, 0, 1), Band(1, 0, 2)])
def test_squared_lengths_are_those_of_what_a_number_makes(band) -> None:
    layout = Layout(SHAPE, 1)
    known = layout.split(np.zeros(layout.count + 1))
    rows, columns = known[band].shape
    known[band][rows // 2, columns // 2] = 1
    levels = [Level(*(known[Band(level, 0, kind)] for kind in range(3))) for level in range(2)]
    expected = (synthesised(np.zeros(layout.low), levels, False) ** 2).sum()
    found = floating.Joining(SHAPE, 2).squared_length(band)
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("planes", [1, 3])
def test_whole_numbers_mend_what_floating_ones_mend(planes) -> None:
    random = np.random.default_rng(0)
    lines = random.standard_normal((planes, *SHAPE)).cumsum(2)
    numbers = np.round(lines * 64).astype(np.float64)
    # in random lines there is little to mend, so the last layer is made stronger
    networks = {**NETWORKS, "after": 8 * NETWORKS["after"]}
    found = whole.mended(networks, numbers) / 64
    before = torch.from_numpy(numbers / 64).float()
    own = {**FLOATING, "after": 8 * FLOATING["after"]}
    expected = floating.mended(own, floating.widened(before))[:planes]
    assert len(floating.widened(before)) == PLANES
    assert (expected - before).abs().mean() > 0.05
    # rounded to 1/64, the mean error is 1/256
    assert np.abs(found - expected.numpy()).mean() < 0.01


def test_whole_numbers_predict_what_floating_ones_predict() -> None:
    contexts = seen_by(Layout(SHAPE, 3), latents(Layout(SHAPE, 3))).contexts()
    predictor = whole.Predictor(NETWORKS)
    seen = (UNIT * contexts).round().long().numpy()
    found = predictor.decided(predictor.before(seen, 0)) - LARGEST
    expected = (PER_ONE * floating.decided(FLOATING, contexts)).clamp(-LARGEST, LARGEST)
    assert np.abs(found - expected.numpy()).mean() < 0.5


@pytest.mark.parametrize("spread", [0.2, 3.0, 2000.0])
def test_lattices_come_back_in_as_many_bits_as_were_counted(spread) -> None:
    layout = Layout(SHAPE, 3)
    numbers = latents(layout, spread)
    place = layout.places[Band(1, 1, 2)]
    numbers[place.first : place.last] = 0
    encoder = Encoder()
    encode_lattices(encoder, whole.Predictor(NETWORKS), layout, numbers)
    code = encoder.finish()
    assert (decode_lattices(Decoder(code), whole.Predictor(NETWORKS), layout) == numbers).all()
    if spread < 100:
        known = seen_by(layout, numbers)
        logits = floating.decided(FLOATING, known.contexts())
        own = floating.bits(known.whole, logits, known.signs(FLOATING))
        # the empty lattice is one decision in the code; its logits end at 10, those here do not
        own[place.first : place.last] = 0
        assert 8 * len(code) == pytest.approx(float(own.sum()), rel=0.05)


def small_fit() -> Fit:
    image = photograph().movedim(-1, 0).numpy()
    return Fit(image - image.mean(), START, 0.1, seed=0)


def loss_of(fit: Fit, worth: float) -> float:
    with torch.no_grad():
        error = fit.error(fit.latents.whole, fit.mends)
        logits = floating.decided(fit.networks, fit.latents.contexts())
        own = floating.bits(fit.latents.whole, logits, fit.latents.signs(fit.networks))
    return float(error / worth + own.sum())


def test_exchanges_make_the_loss_less() -> None:
    fit = small_fit()
    losses = [loss_of(fit, fit.worth)]
    for _ in range(8):
        fit.settle(part=0.3)
        losses.append(loss_of(fit, fit.worth))
    assert losses[-1] < 0.97 * losses[0]
    assert (fit.latents.whole == fit.latents.whole.round()).all()


def test_networks_learn_and_a_dear_bit_makes_it_shorter() -> None:
    fit = small_fit()
    for _ in range(8):
        fit.settle(part=0.3)
    before = loss_of(fit, fit.worth)
    kept = fit.latents.whole
    for _ in range(8):
        fit.settle(rate=1e-3)
        fit.latents.whole = kept
    assert loss_of(fit, fit.worth) < before
    size = fit.settle()
    fit.worth *= 10
    for _ in range(15):
        fit.settle(part=0.3)
    assert fit.settle() < 0.8 * size


def test_the_size_is_kept_and_used(data) -> None:
    most = int(4.0 * 34 * 37 / 8)
    assert 0.8 * most < len(data) <= most
    image = photograph()
    assert (decode_image(data) - image).square().mean() < 0.02 * image.var()


@pytest.mark.parametrize("image", [torch.zeros(8, 8, 1), torch.full((17, 16, 3), 0.3)])
def test_pictures_of_one_value_come_back(image) -> None:
    found = decode_image(encode(image, bits_per_sample=8.0, method="latent", steps=2))
    assert (found - image).abs().max() < 0.01


@pytest.mark.slow
def test_latents_are_ahead_of_wavelets() -> None:
    """On a picture that is tuned on; others are measured in docs/codec.md."""
    image = photograph(80, 80)
    errors = {}
    for method in ("wavelet", "latent"):
        code = encode(image, bits_per_sample=1.0, method=method, steps=12)
        assert len(code) <= 80 * 80 / 8
        errors[method] = float((decode_image(code) - image).square().mean())
    assert errors["latent"] < 0.95 * errors["wavelet"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(12, 9, 1), (1, 40, 2), (35, 18, 2)])
def test_any_size_and_values_come_back(shape) -> None:
    detail = torch.randn(shape[:2], generator=torch.Generator().manual_seed(0))
    image = 100 * detail[..., None] * torch.tensor([1.0, 0.7])[: shape[2]] - 300
    grid = Grid(Box((-1.0, 0.0), (1.0, 3.0), units=("mm", "mm")), shape[:2])
    found = encode(image, bits_per_sample=40.0, method="latent", grid=grid, steps=10)
    assert grid_of(found) == grid
    assert (decode_image(found) - image).square().mean() < 0.1 * image.var()


@pytest.mark.slow
def test_a_fit_is_the_same_again(data) -> None:
    assert encode(photograph(), bits_per_sample=4.0, method="latent", steps=3) == data


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
