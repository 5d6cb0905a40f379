"""What holds for every denoiser: calibration, scale, phase, shapes; and what is refused."""

import math

import pytest
import torch
from cases.image import textured
from torch import nn

from inverse_inr import denoisers
from inverse_inr.denoisers import Network, as_denoiser
from inverse_inr.metrics import psnr

NAMES = denoisers.registry.names()
SIGMA = 0.1


def made(name: str) -> denoisers.CheckedDenoiser:
    if name == "bm3d":
        pytest.importorskip("bm3d", reason="BM3D is an optional extra")
    return as_denoiser(name)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_taken_out_at_sigma_0(name):
    x = textured()
    torch.testing.assert_close(made(name)(x, 0.0), x, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_noise_of_sigma_is_taken_out(name):
    x = textured()
    seen = x + SIGMA * noise(*x.shape)
    assert psnr(made(name)(seen, SIGMA), x, data_range=1.0) > psnr(seen, x, data_range=1.0) + 3


@pytest.mark.parametrize("name", NAMES)
def test_of_nothing_but_noise_little_is_left(name):
    left = made(name)(SIGMA * noise(32, 32, 1), SIGMA)
    assert float(left.std()) < 0.35 * SIGMA


@pytest.mark.parametrize("name", NAMES)
def test_more_sigma_smooths_more(name):
    x = textured() + SIGMA * noise(32, 32, 1)
    denoise = made(name)
    spread = [float(denoise(x, s).std()) for s in (0.0, 0.03, 0.1, 0.3)]
    assert spread == sorted(spread, reverse=True)


@pytest.mark.parametrize("name", NAMES)
def test_image_and_sigma_scale_together(name):
    """Block matching ends in single precision, and its thresholds may then fall otherwise."""
    x = textured() + SIGMA * noise(32, 32, 1)
    denoise = made(name)
    found = denoise(255 * x, 255 * SIGMA) / 255
    torch.testing.assert_close(found, denoise(x, SIGMA), rtol=0, atol=0.02 * SIGMA)


@pytest.mark.parametrize("name", NAMES)
def test_a_global_phase_stays_what_it_is(name):
    x = torch.polar(textured(), 0.5 * textured().transpose(0, 1)) + SIGMA * torch.complex(
        noise(32, 32, 1), noise(32, 32, 1, seed=1)
    )
    turn = torch.exp(torch.tensor(2.1j, dtype=x.dtype))
    denoise = made(name)
    found = denoise(turn * x, SIGMA) / turn
    torch.testing.assert_close(found, denoise(x, SIGMA), rtol=0, atol=0.02 * SIGMA)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(17, 20, 2), (6, 7, 4, 1), (9, 13, 3)])
def test_planes_and_volumes_keep_shape_and_type(name, shape):
    x = noise(*shape, dtype=torch.float32)
    found = made(name)(x, SIGMA)
    assert found.shape == x.shape
    assert found.dtype == x.dtype


@pytest.mark.parametrize("name", ["tv", "wavelets", "patch_gaussians"])
def test_signals_of_one_axis_are_denoised(name):
    x = (torch.arange(64.0)[:, None] > 30).double()
    seen = x + SIGMA * noise(64, 1)
    found = made(name)(seen, SIGMA)
    assert float((found - x).square().mean()) < 0.5 * float((seen - x).square().mean())


@pytest.mark.parametrize("name", ["bm3d", "collaborative", "nonlocal_means"])
def test_denoisers_of_planes_refuse_signals(name):
    with pytest.raises(ValueError, match=r"1 axes, \(64,\)"):
        made(name)(noise(64, 1), SIGMA)


def halve(x, sigma):
    return x / 2


def test_a_function_serves_as_it_is():
    x = noise(4, 4, 1)
    denoise = as_denoiser(halve)
    assert denoise.name == "halve"
    torch.testing.assert_close(denoise(x, 1.0), x / 2)
    torch.testing.assert_close(denoise(x, 0.0), x)
    assert as_denoiser(denoise) is denoise


class Wiener(nn.Module):
    """A network as deepinv's are: stacks of planes between 0 and 1, with sigma in their unit."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.seen: list[tuple[torch.Size, float]] = []

    def forward(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        assert not self.training
        assert x.shape[1] == len(self.gain)
        self.seen.append((x.shape, sigma))
        return self.gain[:, None, None] * (x / (1 + sigma**2) + 0.5 * sigma**2 / (1 + sigma**2))


def test_a_module_sees_stacks_of_planes_between_0_and_1():
    x = 100 + 400 * torch.rand(6, 5, 1, generator=torch.Generator().manual_seed(0))
    network = Wiener().train()
    found = Network(network, span=(100.0, 500.0))(x, 40.0)
    assert network.seen == [((1, 1, 6, 5), 0.1)]
    torch.testing.assert_close(found, (x - 300) / 1.01 + 300)
    assert network.training


@pytest.mark.parametrize(
    ("shape", "channels", "seen"),
    [
        ((6, 5, 3), None, (1, 3, 6, 5)),
        ((6, 5, 2), 1, (2, 1, 6, 5)),
        ((6, 5, 1), 3, (1, 3, 6, 5)),
        ((6, 4, 5, 1), None, (4, 1, 6, 5)),
    ],
)
def test_channels_and_slices_become_what_the_network_takes(shape, channels, seen):
    network = Wiener(seen[1])
    x = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    found = as_denoiser(network, span=(0.0, 1.0), channels=channels)(x, 0.2)
    assert network.seen[0][0] == seen
    torch.testing.assert_close(found, (x - 0.5) / 1.04 + 0.5)


def test_a_network_without_a_span_turns_with_the_phase_and_scales():
    x = torch.complex(noise(6, 5, 1), noise(6, 5, 1, seed=1))
    denoise = as_denoiser(Wiener())
    turn = 3 * torch.exp(torch.tensor(1j, dtype=x.dtype))
    torch.testing.assert_close(denoise(turn * x, 0.6), turn * denoise(x, 0.2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, sigma: x[..., 0], "returned shape"),
        (lambda x, sigma: x * math.nan, "NaN or Inf"),
        (lambda x, sigma: x * 1j, "complex"),
    ],
)
def test_what_a_function_returns_is_checked(function, message):
    with pytest.raises(ValueError, match=message):
        as_denoiser(function)(noise(4, 4, 1), 0.1)


def test_a_function_of_other_arguments_is_refused_before_any_work():
    with pytest.raises(TypeError, match=r"cannot be called as denoiser\(x, sigma\): too many"):
        as_denoiser(lambda x: x)
    with pytest.raises(TypeError, match="missing a required"):
        as_denoiser(lambda x, sigma, strength: x)
    assert as_denoiser(lambda x, sigma, strength=1.0: x).name == "<lambda>"


def test_what_is_no_tensor_is_refused():
    with pytest.raises(TypeError, match="tensor"):
        as_denoiser(lambda x, sigma: None)(noise(4, 4, 1), 0.1)  # pyright: ignore


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.ones(4), "channel axis"),
        (torch.full((4, 4, 1), math.nan), "NaN"),
    ],
)
def test_images_that_are_none_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        as_denoiser("tv")(x, 0.1)


def test_unknown_names_and_options_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'wavelets'"):
        as_denoiser("wavelet")
    with pytest.raises(ValueError, match="no option 'weight'"):
        as_denoiser("tv", weight=1.0)
    with pytest.raises(ValueError, match="a function has none"):
        as_denoiser(halve, strength=1.0)
    with pytest.raises(ValueError, match="span"):
        as_denoiser(Wiener(), span=(1.0, 0.0))
