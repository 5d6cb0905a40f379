"""The network that comes with the library, and the turns of an image."""

import pytest
import torch

import inverse_inr.denoisers.trained as module
from inverse_inr.denoisers import TotalVariation, TrainedNetwork, UNet, as_denoiser
from inverse_inr.denoisers.planes import turned, turned_back
from inverse_inr.metrics import psnr
from inverse_inr.problems.restoration.clips import moving_shapes


def noise(like: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed))


def scene(channels: int) -> torch.Tensor:
    """A generated scene that the network was not trained on, (48, 48, channels)."""
    clip = moving_shapes(1, 48, seed=3)[:, :, 0]
    return clip if channels == 3 else clip.mean(-1, keepdim=True)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [0.03, 0.1])
def test_it_is_better_than_total_variation(channels: int, sigma: float):
    """Measured on this scene: 2.1 to 3.6 dB."""
    clean = scene(channels)
    noisy = clean + sigma * noise(clean)
    found = psnr(TrainedNetwork()(noisy, sigma), clean, data_range=1.0)
    assert found > psnr(TotalVariation()(noisy, sigma), clean, data_range=1.0) + 0.4
    assert found > psnr(noisy, clean, data_range=1.0) + 5


def test_the_network_has_no_brightness_of_its_own():
    """Without biases a brighter image with as much more noise is only brighter."""
    network = UNet((8, 12), (1, 1)).double()
    x = torch.rand(2, 1, 10, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    once = network(x, torch.tensor([0.1, 0.3], dtype=torch.float64))
    thrice = network(3 * x, torch.tensor([0.3, 0.9], dtype=torch.float64))
    assert torch.allclose(thrice, 3 * once, atol=1e-10)


def test_all_ways_turn_with_the_image():
    noisy = scene(1)[:30, :40] + 0.1 * noise(scene(1)[:30, :40])
    denoiser = TrainedNetwork()
    turned_first = denoiser(noisy.rot90(1, (0, 1)), 0.1)
    assert torch.allclose(turned_first, denoiser(noisy, 0.1).rot90(1, (0, 1)), atol=1e-4)


@pytest.mark.parametrize("way", range(8))
def test_turns_are_undone(way: int):
    x = torch.arange(2 * 3 * 5).reshape(2, 3, 5)
    assert torch.equal(turned_back(turned(x, way), way), x)


def test_the_eight_ways_differ():
    x = torch.arange(9).reshape(3, 3)
    assert len({tuple(turned(x, way).flatten().tolist()) for way in range(8)}) == 8


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 17, 1), (9, 8, 2), (6, 7, 3, 1)])
def test_any_size_and_any_channels(shape: tuple[int, ...]):
    x = 0.5 + 0.05 * noise(torch.zeros(shape))
    clean = TrainedNetwork(turned=False)(x, 0.05)
    assert clean.shape == x.shape
    assert clean.std(correction=0) <= x.std(correction=0)


def test_a_complex_image_turns_with_its_phase():
    image = torch.polar(scene(1), torch.full((48, 48, 1), 0.4))
    noisy = image + 0.05 * torch.complex(noise(image.real), noise(image.real, 1))
    denoiser = TrainedNetwork(turned=False, span=None)
    turn = torch.polar(torch.tensor(1.0), torch.tensor(1.1))
    clean = denoiser(noisy, 0.05)
    assert (clean - image).abs().square().mean() < 0.3 * (noisy - image).abs().square().mean()
    assert torch.allclose(denoiser(turn * noisy, 0.05), turn * clean, atol=1e-3)


def test_values_of_another_span_are_scaled():
    clean = scene(1)
    noisy = clean + 0.1 * noise(clean)
    counted = TrainedNetwork(span=(0.0, 4000.0), turned=False)(4000 * noisy, 400.0)
    assert torch.allclose(counted / 4000, TrainedNetwork(turned=False)(noisy, 0.1), atol=1e-4)


def test_it_has_a_name_and_an_option():
    assert as_denoiser("trained", turned=False) == TrainedNetwork(turned=False)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: TrainedNetwork(span=(1.0, 1.0)), "two rising numbers"),
        (lambda: UNet((8, 8), (1,)), "2 widths and 1 numbers of blocks"),
    ],
)
def test_bad_arguments_are_refused(make, told: str):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_volume_is_cut_across_the_axis_that_is_named(axis: int):
    x = torch.rand(8, 9, 10, 1, generator=torch.Generator().manual_seed(2))
    found = TrainedNetwork(turned=False, axis=axis)(x, 0.1)
    plain = TrainedNetwork(turned=False)
    planes = [plain(plane, 0.1) for plane in x.unbind(axis % 3)]
    torch.testing.assert_close(found, torch.stack(planes, axis % 3), atol=1e-5, rtol=1e-5)


def test_few_planes_at_a_time_are_the_same(monkeypatch: pytest.MonkeyPatch):
    x = torch.rand(5, 8, 8, 1, generator=torch.Generator().manual_seed(2))
    denoiser = TrainedNetwork(turned=False, axis=0)
    whole = denoiser(x, 0.1)
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 130)
    torch.testing.assert_close(denoiser(x, 0.1), whole, atol=1e-5, rtol=1e-5)
