"""Spectra and FreSh: plane waves in bins, folding, the choice of a bandwidth from measurements."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import (
    Box,
    Grid,
    OnGrid,
    Problem,
    Term,
    fidelity,
    phantoms,
    predict,
    priors,
    sample,
)
from inverse_inr.analysis import (
    Bins,
    choose_bandwidth,
    choose_prior,
    distance,
    fresh,
    measured_band,
    spectrum,
)

UNIT = Box((-1.0, -1.0), (1.0, 1.0))


def wave(grid: Grid, *cycles: float, phase: float = 0.3) -> Tensor:
    """cos(2π Σ cycles_k x_k / length_k + phase) at the pixel centres."""
    per_unit = [c / n for c, n in zip(cycles, grid.box.lengths, strict=True)]
    k = torch.tensor(per_unit, dtype=torch.float64)
    return torch.cos(2 * math.pi * (grid.points(torch.float64) @ k)[..., None] + phase)


def bin_of(weights: Tensor) -> int:
    """The one bin that holds everything."""
    assert float(weights.max()) == pytest.approx(1, abs=1e-4)
    return int(weights.argmax()) + 1


@pytest.mark.parametrize("shape", [(64, 64), (65, 65), (128,), (16, 16, 16)])
def test_a_plane_wave_is_one_bin_and_waves_are_as_far_apart_as_their_cycles(shape: tuple[int, ...]):
    d = len(shape)
    grid = Grid(Box((0.0,) * d, (1.0,) * d), shape)
    for k, other in [(1, 5), (3, 4), (7, 2)]:
        first, second = (spectrum(wave(grid, n, *[0] * (d - 1))) for n in (k, other))
        assert bin_of(first) == k
        assert distance(first, second) == pytest.approx(abs(k - other), abs=1e-9)


def test_oblique_waves_and_the_signs_of_their_indices():
    grid = Grid(UNIT, (64, 64))
    assert bin_of(spectrum(wave(grid, 3, 4))) == 7
    # the published half begins to see it beyond the Nyquist index
    with pytest.raises(ValueError, match="constant"):
        spectrum(wave(grid, 3, -4))
    for image in (wave(grid, 3, 4), wave(grid, 3, -4)):
        # a Hann window spreads an index over its neighbours
        weights = spectrum(image, variant="windowed")
        assert float(weights[4:9].sum()) == pytest.approx(1, abs=1e-9)
        assert torch.allclose(weights[4:9], weights[4:9].flip(0), atol=1e-9)


def test_a_window_removes_what_the_edges_leak():
    """A ramp has no frequency at all; without a window its edge puts amplitude 1/k in bin k."""
    ramp = torch.linspace(0, 1, 128, dtype=torch.float64)[:, None]
    # exact for a sampled ramp
    harmonic = 1 / torch.sin(math.pi * torch.arange(1, 65, dtype=torch.float64) / 128)
    assert torch.allclose(spectrum(ramp), harmonic / harmonic.sum(), atol=1e-12)
    windowed = spectrum(ramp, variant="windowed")
    assert float(windowed[3:].sum()) < 0.1
    assert spectrum(ramp + 7.0, variant="windowed")[0] == pytest.approx(float(windowed[0]))


def published(image: Tensor, count: int) -> Tensor:
    """The published loop over anti-diagonals i + j of the unshifted FFT."""
    amplitude = torch.fft.fft2(image[..., 0]).abs()
    n = len(amplitude)
    sums = [sum(amplitude[i, s - i] for i in range(s + 1)) for s in range(1, count + 1)]
    assert count <= n // 2
    total = torch.stack([torch.as_tensor(s) for s in sums])
    return total / total.sum()


@pytest.mark.parametrize("n", [32, 33])
def test_first_directions_are_the_published_sums(n: int):
    image = torch.randn(n, n, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(spectrum(image, n // 2), published(image, n // 2), atol=1e-14)


def test_a_frequency_stays_what_it_is_in_a_box_that_is_no_square():
    box = Box((0.0, 0.0), (2.0, 1.0), ("mm", "mm"))
    bins = Bins(Grid(box, (64, 32)))
    assert bin_of(bins(wave(bins.grid, 6, 0))) == bin_of(bins(wave(bins.grid, 0, 3))) == 6
    assert float(bins.frequencies[5]) == pytest.approx(3.0)  # cycles per mm
    # an axis of another unit counts along its own longest side
    film = Grid(Box((0.0, 0.0), (2.0, 10.0), ("mm", "s")), (32, 32))
    assert bin_of(Bins(film)(wave(film, 0, 5))) == 5


def test_more_bins_than_a_grid_has_are_refused():
    with pytest.raises(ValueError, match="9 bins, but a grid of shape"):
        Bins(Grid(UNIT, (16, 16)), 9)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(16, 16), "image has shape"),
        (torch.full((16, 16, 1), 0.3), "constant"),
    ],
    ids=["no channel axis", "constant"],
)
def test_bins_refuse_an_image_without_a_spectrum(image: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        Bins(Grid(UNIT, (16, 16)))(image)


def test_fresh_finds_the_wave():
    grid = Grid(UNIT, (64, 64))

    def make(cycles: int, seed: int) -> Callable[[Tensor], Tensor]:
        return lambda p: torch.cos(math.pi * cycles * p[..., :1] + seed)

    choice = fresh(wave(grid, 9, 0), grid, make, [2, 8, 20], seeds=3)
    assert choice.value == 8
    # the fields are of single precision
    assert choice.distances.tolist() == pytest.approx([7, 1, 11], abs=1e-4)
    assert choice.errors.abs().max() < 1e-4
    assert bin_of(choice.spectrum) == 8
    left, right = choice.plot()
    assert len(left.lines) == 5
    assert "Wasserstein" in right.get_ylabel()
    band = torch.arange(1, 33) < 12
    both = wave(grid, 9, 0) + wave(grid, 20, 0)
    narrowed = fresh(both, grid, make, [2, 8], seeds=1, bins=32, band=band)
    assert bin_of(narrowed.target) == 9


def test_refined_fields_do_not_fold_back():
    """28 cycles on 32 pixels look like 4; on 64 they are 28."""
    grid = Grid(UNIT, (32, 32))

    def make(cycles: int, seed: int) -> Callable[[Tensor], Tensor]:
        return lambda p: torch.cos(math.pi * cycles * p[..., :1].double())

    folded = fresh(wave(grid, 4, 0), grid, make, [28, 4], seeds=1)
    assert folded.distances.tolist() == pytest.approx([0, 0], abs=1e-4)
    band = torch.arange(16) < 9
    refined = fresh(wave(grid, 4, 0), grid, make, [28, 4], seeds=1, refine=2, band=band)
    assert refined.distances.tolist() == pytest.approx([24, 0], abs=1e-4)
    assert len(refined.frequencies) == 32
    with pytest.raises(ValueError, match="leave out bins=8"):
        fresh(wave(grid, 4, 0), grid, make, [28, 4], seeds=1, refine=2, bins=8)


@pytest.mark.parametrize(
    "grid",
    [
        Grid(Box((0.0,), (3.0,)), (48,)),
        Grid(UNIT, (48, 48)),
        Grid(Box((0.0,) * 3, (1.0,) * 3), (24, 24, 24)),
    ],
    ids=["1-D", "2-D", "3-D"],
)
def test_fresh_ranks_bandwidths_of_a_prior_by_its_own_spectrum(grid: Grid):
    """The target is a field of the prior itself, of another seed: its bandwidth is found again."""
    top = priors.bandwidth_of(grid)

    def make(bandwidth: float, seed: int) -> nn.Module:
        return priors.siren(grid.box, bandwidth=bandwidth, width=32, depth=2, seed=seed)

    values = [top * f for f in (0.25, 1.0, 4.0)]
    with torch.no_grad():
        choice = fresh(make(values[1], 77), grid, make, values, seeds=4, variant="windowed")
        assert choice.value == values[1]


def test_fresh_says_what_has_no_spectrum(problem: Problem):
    with pytest.raises(ValueError, match=r"candidate 4 \(grid\), untrained: the image is constant"):
        choose_bandwidth(problem, "grid", [4.0], seeds=1)


def test_choose_bandwidth_from_measurements(problem: Problem):
    choice = choose_bandwidth(problem, "siren", seeds=2, width=16, depth=2)
    top = priors.bandwidth_of(problem.grid)
    assert choice.candidates == pytest.approx([top * 2.0 ** (5 * k / 9 - 3) for k in range(10)])
    assert choice.value in choice.candidates
    assert choice.distances[choice.index] == choice.distances.min()
    image = sample(problem.reference, problem.grid)
    given = choose_bandwidth(problem, "siren", target=image, seeds=2, refine=1, width=16)
    assert torch.equal(given.target, spectrum(image))
    name, bandwidth = choose_prior(problem, ["siren", "fourier"], [4.0, 8.0], seeds=2).value
    assert name in ("siren", "fourier")
    assert bandwidth in (4.0, 8.0)
    with pytest.raises(TypeError, match=r"choose_bandwidth: prior=.* must be a text or None"):
        choose_bandwidth(problem, priors.siren(problem.box))


def test_the_measured_band_of_a_low_pass_is_its_pass_band():
    grid = Grid(UNIT, (32, 32))
    f = torch.fft.fftfreq(32, 1 / 32)
    keep = (f.abs()[:, None] + f.abs()[None]) <= 7
    operator = OnGrid(lambda v: torch.fft.ifft2(torch.fft.fft2(v) * keep).real, grid, grid.shape)
    y = predict(operator, phantoms.shepp_logan(UNIT))
    problem = Problem([Term(operator, y, fidelity.L2())], UNIT, grid)
    band = measured_band(problem, 5, Bins(grid, 16))
    assert band.tolist() == [k <= 7 for k in range(1, 17)]
