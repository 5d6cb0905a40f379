"""The estimated level of noise: right for white noise, not fooled by edges, gaps and clipping."""

import math

import pytest
import torch

from inverse_inr import noise


def white(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("shape", "axes"), [((4096,), None), ((96, 96), None), ((96, 96, 3), (0, 1)), ((24,) * 3, None)]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_white_noise_has_its_own_deviation(shape, axes, dtype):
    y = 0.3 * white(*shape, dtype=dtype, seed=5)
    assert noise.estimate_deviation(y, axes) == pytest.approx(0.3, rel=0.08)


def test_a_smooth_image_does_not_count():
    x = torch.linspace(-1, 1, 128, dtype=torch.float64)
    image = torch.exp(-3 * (x[:, None] ** 2 + x**2)) + x
    assert noise.estimate_deviation(image + 0.01 * white(128, 128)) == pytest.approx(0.01, rel=0.05)


def test_edges_in_most_of_an_image_do_not_count_where_a_quarter_is_smooth():
    image = torch.zeros(128, 128, dtype=torch.float64)
    image[:, 64:] = (white(128, 64, seed=3) > 0).double()
    image[96:] = (white(32, 128, seed=4) > 0).double()
    found = noise.estimate_deviation(image + 0.02 * white(128, 128))
    assert found == pytest.approx(0.02, rel=0.2)
    median = noise.estimate_deviation(image + 0.02 * white(128, 128), quantile=0.5)
    assert median > 3 * found


def test_unknown_values_are_left_out():
    y = 0.3 * white(96, 96)
    y[40:60, :30] = math.nan
    y[::7] = math.nan
    assert noise.estimate_deviation(y) == pytest.approx(0.3, rel=0.15)


def test_clipped_values_have_no_noise_and_do_not_count():
    y = 0.1 * white(128, 128)
    y[:70] += 2
    assert noise.estimate_deviation(y.clamp(0.3, 2.5)) == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("shape", [(2, 2), (1,), (0, 5)])
def test_too_few_values_tell_nothing(shape):
    assert math.isnan(noise.estimate_deviation(torch.zeros(shape)))


def test_an_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"axes=\(0, 2\) of values of shape \(4, 4\)"):
        noise.estimate_deviation(torch.zeros(4, 4), (0, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_replicates_tell_the_noise_whatever_the_image(dtype):
    truth = 10 * white(500, dtype=dtype, seed=2)
    y = truth + 0.5 * white(6, 500, dtype=dtype, seed=1)
    y[0, :100] = math.nan
    assert noise.estimate_from_replicates(y) == pytest.approx(0.5, rel=0.05)
    assert math.isnan(noise.estimate_from_replicates(y[:1]))


@pytest.mark.parametrize("readout", [0.5, 2.0])
@pytest.mark.parametrize("photons", [30.0, 300.0])
def test_the_photons_of_a_camera_are_found_beside_edges_and_stripes(photons, readout):
    x, y = torch.meshgrid(*(torch.arange(96.0, dtype=torch.float64),) * 2, indexing="ij")
    stripes = 0.5 + 0.2 * torch.sin(x / 2)
    image = torch.where(y < 48, stripes, 0.2 + 0.6 * (x > 30).double())
    model = noise.Sensor(photons, readout)
    seen = model.sample(image, torch.Generator().manual_seed(0))
    found = noise.estimate_sensor(seen, readout)
    assert float(found.photons) == pytest.approx(photons, rel=0.2)
    colours = noise.estimate_sensor(torch.stack([seen, seen], -1), readout)
    assert float(colours.photons) == pytest.approx(float(found.photons), rel=0.1)


def test_units_of_the_image_are_those_of_the_photons():
    model = noise.Sensor(100.0, 1e-9)
    y = model.sample(torch.full((48, 48), 0.5).double(), torch.Generator().manual_seed(0))
    one, ten = (float(noise.estimate_sensor(k * y, 1e-6).photons) for k in (1, 10))
    assert one == pytest.approx(10 * ten, rel=1e-6)


@pytest.mark.parametrize(
    ("image", "message"),
    [(torch.ones(10, 40), r"shape \(10, 40\)"), (torch.ones(40, 40), "no noise")],
)
def test_images_that_tell_no_photons_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        noise.estimate_sensor(image, 1.0)
