"""Pictures in wavelets: within their size, exact, ahead of JPEG 2000, refused if damaged."""

import hashlib
import io
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from inverse_inr import Box, Grid
from inverse_inr.codec import decode, decode_image, encode, grid_of
from inverse_inr.codec.causal import NEIGHBOURS, SLOPE, waves
from inverse_inr.codec.laplace import SPREADS, costs, intervals
from inverse_inr.codec.range_coder import Decoder, Encoder
from inverse_inr.codec.wavelet.bands import Band, Bands, band_shapes, order
from inverse_inr.codec.wavelet.filter_bank import (
    Level,
    analysed,
    analysed_axis,
    levels_of,
    synthesised,
    synthesised_axis,
)
from inverse_inr.codec.wavelet.start import MODEL
from inverse_inr.codec.wavelet.waves import Remainders, decode_band, encode_band
from inverse_inr.io.files import FileFormatError


def photograph(rows: int = 128, columns: int = 128) -> torch.Tensor:
    """The middle of a picture on which the entropy model was trained."""
    from skimage.data import astronaut

    picture = astronaut()[100 : 100 + rows, 180 : 180 + columns]
    return torch.from_numpy(picture / 255.0)


def psnr(found: torch.Tensor, image: torch.Tensor) -> float:
    seen = torch.round(found.double() * 255) / 255
    return -10 * math.log10(float((seen - image).square().mean()))


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode(photograph(61, 50), bits_per_sample=1.0, method="wavelet")


@pytest.mark.parametrize("shape", [(64, 64), (33, 50), (17, 40), (3, 2), (1, 5), (1, 1)])
def test_the_filter_bank_is_inverted(shape) -> None:
    image = np.random.default_rng(0).normal(size=shape)
    levels = levels_of(shape)
    low, details = analysed(image, levels)
    expected, shapes = band_shapes(shape, levels)
    assert low.shape == expected
    assert [[band.shape for band in level] for level in details] == shapes
    # factors are rounded to 2^-14
    assert np.abs(synthesised(low, details, False) - image).max() < 2e-4 * 3**levels


def test_the_filter_bank_is_nearly_orthonormal() -> None:
    """Noise in the bands is noise of the same power in the picture, to 7 %."""
    random = np.random.default_rng(0)
    low, details = analysed(np.zeros((64, 64)), 3)
    details = [
        type(level)(*(random.normal(size=band.shape) for band in level)) for level in details
    ]
    found = synthesised(random.normal(size=low.shape), details, False)
    assert found.var() == pytest.approx(1, rel=0.07)


def test_whole_numbers_stay_whole() -> None:
    image = np.random.default_rng(0).integers(-5000, 5000, (40, 33)).astype(float)
    low, details = analysed(image, 2)
    details = [Level(*(np.round(band) for band in level)) for level in details]
    found = synthesised(np.round(low), details, True)
    assert (found == np.floor(found)).all()
    assert np.abs(found - image).max() < 8


def test_tables_are_those_of_laplace() -> None:
    for index in range(0, SPREADS, 5):
        starts = np.array(intervals(index))
        assert starts[0] == 0
        assert starts[-1] == 2**16
        assert (np.diff(starts) >= 1).all()
        b = 2 ** (index / 8 - 4)
        n = np.arange(1, len(starts) - 1)
        expected = 2**16 * (1 - np.exp(-(n - 0.5) / b))
        assert np.abs(starts[1:-1] - expected).max() < 2 * len(starts)


def test_costs_are_logarithms_of_tables() -> None:
    starts = intervals(40)
    assert costs()[40, 0] == pytest.approx(-math.log2(starts[1] / 2**16))
    assert costs()[40, 2] == pytest.approx(1 - math.log2((starts[3] - starts[2]) / 2**16))


def test_waves_are_causal_and_complete() -> None:
    seen = np.zeros((9, 7), bool)
    for rows, columns in waves(9, 7):
        assert len({SLOPE * r + c for r, c in zip(rows, columns, strict=True)}) == 1
        for r, c in zip(rows, columns, strict=True):
            for down, across in NEIGHBOURS:
                if 0 <= r + down < 9 and 0 <= c + across < 7:
                    assert seen[r + down, c + across]
        seen[rows, columns] = True
    assert seen.all()


@pytest.mark.parametrize("scale", [0.3, 4.0, 3000.0])
def test_bands_come_back(scale) -> None:
    random = np.random.default_rng(0)
    _, shapes = band_shapes((25, 38), 2)
    bands: Bands = {}
    for band in order(2, 2):
        shape = shapes[band.level][band.kind]
        bands[band] = np.round(random.laplace(0, scale, shape)).astype(np.int64)
    bands[Band(0, 1, 2)][:] = 0
    encoder, remainders = Encoder(), Remainders()
    for band in order(2, 2):
        encode_band(encoder, MODEL, bands, band, remainders)
    decoder, remainders = Decoder(encoder.finish()), Remainders()
    found: Bands = {}
    for band in order(2, 2):
        shape = shapes[band.level][band.kind]
        found[band] = decode_band(decoder, MODEL, found, band, shape, remainders)
        assert (found[band] == bands[band]).all()


@pytest.mark.parametrize("bits", [1.5, 6.0])
def test_the_size_is_kept_and_used(bits) -> None:
    image = photograph(48, 40)
    found = encode(image, bits_per_sample=bits, method="wavelet")
    most = math.floor(bits * 48 * 40 / 8)
    assert 0.93 * most < len(found) <= most


@pytest.mark.slow
def test_more_bits_are_nearer() -> None:
    image = photograph(40, 40)
    found = [
        psnr(decode_image(encode(image, bits_per_sample=bits, method="wavelet")), image)
        for bits in (1.0, 3.0, 6.0)
    ]
    assert found[0] + 5 < found[1] < found[2] - 5


@pytest.mark.parametrize("shape", [(40, 40, 1), (1, 30, 2), (5, 3, 3), (1, 1, 1), (9, 20, 4)])
def test_any_size_and_number_of_channels(shape) -> None:
    image = 100 * torch.randn(shape, generator=torch.Generator().manual_seed(0)) - 300
    again = decode_image(encode(image, bits_per_sample=1000.0, method="wavelet"))
    assert again.shape == image.shape
    assert (again - image).abs().max() < 0.1


def test_a_constant_picture_is_a_few_bytes() -> None:
    found = encode(torch.full((64, 64, 3), 0.25), bits_per_sample=0.2, method="wavelet")
    assert len(found) < 60
    assert (decode_image(found) - 0.25).abs().max() < 0.01


def test_values_of_pictures_are_clipped_to_theirs() -> None:
    image = (torch.rand(32, 32, 1, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    again = decode_image(encode(image, bits_per_sample=1.0, method="wavelet"))
    assert again.min() == 0
    assert again.max() == 1


def test_the_field_is_the_picture_on_its_grid(data) -> None:
    image = decode_image(data)
    assert grid_of(data).shape == (61, 50)
    field = decode(data)
    with torch.no_grad():
        seen = field(grid_of(data).points().reshape(-1, 2)).reshape(61, 50, 3)
    assert (seen - image).abs().max() < 1e-4


def test_a_box_comes_back() -> None:
    grid = Grid(Box((-1.0, 0.0), (1.0, 3.0), units=("mm", "mm")), (20, 30))
    image = torch.rand(20, 30, 1, generator=torch.Generator().manual_seed(0))
    found = encode(image, bits_per_sample=4.0, method="wavelet", grid=grid)
    assert grid_of(found) == grid


@pytest.mark.slow
def test_it_is_ahead_of_jpeg_and_jpeg_2000() -> None:
    """At 0.6 bits per pixel, on a picture that the model was trained on: a check, no claim."""
    from PIL import Image

    image = photograph()
    most = math.floor(0.6 * image.shape[0] * image.shape[1] / 8)
    ours = psnr(decode_image(encode(image, bits_per_sample=0.6, method="wavelet")), image)
    stored = Image.fromarray((image.numpy() * 255).round().astype(np.uint8))
    best = 0.0
    for ratio in np.geomspace(20, 80, 40):
        file = io.BytesIO()
        stored.save(
            file, "JPEG2000", quality_layers=[float(ratio)], irreversible=True, mct=1, no_jp2=True
        )
        if len(file.getvalue()) <= most:
            found = torch.from_numpy(np.array(Image.open(file)) / 255.0)
            best = max(best, psnr(found, image))
    for quality in range(1, 60, 3):
        file = io.BytesIO()
        stored.save(file, "JPEG", quality=quality, optimize=True)
        if len(file.getvalue()) <= most:
            found = torch.from_numpy(np.array(Image.open(file)) / 255.0)
            best = max(best, psnr(found, image))
    assert ours > best + 0.5


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


@pytest.mark.parametrize("where", [4, 5, 6, 9, 12, 30, 60, -20, -3])
def test_an_altered_byte_is_noticed(data, where) -> None:
    changed = bytearray(data)
    changed[where] ^= 0x40
    with pytest.raises((FileFormatError, MemoryError), match="codec"):
        decode(bytes(changed))


@pytest.mark.parametrize("kept", [0, 3, 5, 12, 40, 150])
def test_cut_bytes_are_refused(data, kept) -> None:
    with pytest.raises(FileFormatError, match="codec"):
        decode(data[:kept])


def test_what_cannot_be_coded_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="allows 4 bytes"):
        encode(torch.rand(8, 8, 1), bits_per_sample=0.5, method="wavelet")
    with pytest.raises(ValueError, match="this one is complex"):
        encode(torch.rand(8, 8, 1) + 0j, bits_per_sample=8.0, method="wavelet")
    with pytest.raises(ValueError, match="its grid"):
        encode(torch.rand(8, 8, 1), bits_per_sample=8.0, grid=Grid(Box((0.0,), (1.0,)), (8,)))


@pytest.mark.parametrize("shape", [(100, 1), (3, 10, 9, 2), (2, 3, 5, 4, 1)])
def test_any_number_of_axes_comes_back(shape) -> None:
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    data = encode(image, bits_per_sample=100.0, method="wavelet")
    again = decode_image(data)
    assert again.shape == image.shape
    assert grid_of(data).shape == shape[:-1]
    assert (again - image).abs().max() < 1e-3


def test_a_volume_of_equal_slices_costs_little_more_than_one() -> None:
    slice_ = photograph(24, 24)[..., :1]
    alone = psnr(decode_image(encode(slice_, bits_per_sample=2.0, method="wavelet")), slice_)
    volume = slice_.expand(4, -1, -1, -1).clone()
    again = decode_image(encode(volume, bits_per_sample=0.55, method="wavelet"))
    assert psnr(again, volume) > alone - 1


@pytest.mark.parametrize("length", [1, 3, 8, 37, 64])
def test_bands_of_one_axis_are_joined(length) -> None:
    values = np.round(np.random.default_rng(0).normal(size=(3, length, 2)) * 1e4)
    found = synthesised_axis(np.round(analysed_axis(values, 1)), 1)
    assert found.shape == values.shape
    assert np.abs(found - values).max() < 20


def test_bands_of_a_smooth_axis_are_small() -> None:
    smooth = np.cos(np.linspace(0, 3, 64))[None]
    assert np.abs(analysed_axis(smooth, 1)[0, 32:]).max() < 0.01
