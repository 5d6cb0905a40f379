"""Every prior of the catalogue, and the exact properties of its parts."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from inverse_inr import priors
from inverse_inr.derivatives import laplacian
from inverse_inr.domain import Box, Grid
from inverse_inr.priors import Prior
from inverse_inr.priors.encodings import FourierFeatures, gaussian_frequencies
from inverse_inr.priors.lattices.encoding import GridEncoding
from inverse_inr.priors.topologies import MLP
from inverse_inr.priors.wavelets import GaborComplex
from inverse_inr.regularizers import Sobolev

F64 = torch.float64
BOXES = {
    "1d": Box((-1.0,), (2.0,)),
    "2d": Box((0.0, -0.1), (1.0, 2.9), ("mm", "mm")),
    "3d": Box((0.0, 0.0, 400.0), (2.0, 1.0, 700.0), ("mm", "mm", "nm")),
}
SQUARE = Box((-1, -1), (1, 1))
SMALL: dict[str, dict] = {
    "grid": {"cells": 9.0},
    "hash": {"levels": 4, "coarsest": 4, "finest": 32, "log2_table": 8},
    "fourier": {},
    "siren": {"width": 24},
    "wire": {"width": 24, "omega0": 5.0},
    "separable": {"rank": 6, "width": 16},
    "cosmo": {"width": 24, "depth": 2},
    "deformed": {"width": 16, "at_rest": "siren", "options": {"width": 24}},
    "planes": {"finest": 12.0, "features": 4, "width": 16},
    "tensor": {"cells": 12.0, "rank": 6},
    "gaussian_mixture": {"count": 30, "width": 0.2},
    "miner": {"scales": 3, "width": 6, "coarsest_width": 12},
    "acorn": {"level": 2, "nodes": 4, "features": 4, "width": 16},
    **{name: {"bandwidth": 4.0, "blocks": 2, "width": 8} for name in ("nerv", "hnerv", "hinerv")},
}
SLOW = {"cosmo": {"width": 24}}  # complex, and three sincs a feature
VARIANTS = [
    *((name, {}) for name in priors.names()),
    ("grid", {"order": 3}),
    ("hash", {"interpolation": "smoothstep"}),
    ("wire", {"variant": "real"}),
    ("fourier", {"spacing": "octaves"}),
    ("fourier", {"learnable": True}),
    ("siren", {"head": "softplus"}),
    ("grid", {"head": "complex"}),
    ("wire", {"head": "complex"}),
    ("planes", {"kind": "sum"}),
    ("planes", {"interpolation": "cubic"}),
    ("tensor", {"kind": "cp"}),
    ("tensor", {"interpolation": "smoothstep"}),
    ("gaussian_mixture", {"head": "complex"}),
    ("miner", {"overlap": None}),
]
variants = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=["-".join(map(str, (n, *o.values()))) for n, o in VARIANTS]
)
dimensions = pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)


def make(name: str, box: Box, channels: int = 1, seed: int = 0, **options) -> Prior:
    """A small prior with every table filled."""
    prior = priors.create(name, box, channels, **SMALL.get(name, {}), **options, seed=seed)
    if isinstance(prior.encoding, GridEncoding):
        table = prior.encoding.table
        nn.init.normal_(table, generator=torch.Generator().manual_seed(seed))
    return prior


def lattice(box: Box) -> Grid:
    return Grid(box, (9, 5, 4)[: box.ndim])


def points(box: Box, count: int = 64, dtype: torch.dtype = torch.float32) -> Tensor:
    return box.random_points(count, dtype=dtype, generator=torch.Generator().manual_seed(9))


@dimensions
@variants
def test_a_lattice_is_its_points(name: str, options: dict, box: Box) -> None:
    prior = make(name, box, 2, **options)
    grid = lattice(box)
    values = prior.sample(grid)
    assert values.shape == (*grid.shape, 2)
    assert values.is_complex() == is_complex(name, options)
    assert options.get("head") != "softplus" or (values > 0).all()
    torch.testing.assert_close(values, prior(grid.points()), rtol=1e-4, atol=1e-5)
    assert values.real.std() > 0


@dimensions
@variants
def test_seed_state_and_recipe_make_it_again(name: str, options: dict, box: Box) -> None:
    prior = make(name, box, **options)
    p = points(box)
    assert torch.equal(make(name, box, **options)(p), prior(p))
    other = make(name, box, seed=1, **options)
    assert not torch.equal(other(p), prior(p))
    other.load_state_dict(prior.state_dict())
    assert torch.equal(other(p), prior(p))
    assert other.box == box
    fresh = priors.create(name, box, **SMALL.get(name, {}), **options, seed=3)
    again = priors.create(fresh.recipe.name, box, **fresh.recipe.options)
    assert torch.equal(again(p), fresh(p))
    assert again.recipe == fresh.recipe


@variants
def test_the_box_is_part_of_the_state(name: str, options: dict) -> None:
    moved = Box((3, 4), (5, 6))
    grid = Grid(moved, (4, 4))
    prior = make(name, moved, **options)
    other = make(name, SQUARE, seed=1, **options)
    other.sample(grid)  # whatever a prior remembers of lattices must not outlive its box
    other.load_state_dict(prior.state_dict())
    assert other.box == moved
    torch.testing.assert_close(other(points(moved)), prior(points(moved)), rtol=0, atol=0)
    torch.testing.assert_close(other.sample(grid), prior.sample(grid), rtol=0, atol=0)


def test_a_box_of_another_aspect_is_loaded_or_refused() -> None:
    """The lattice must follow the box that was saved: 8 x 4 and 4 x 8 nodes fill one table."""
    wide, tall = Box((0, 0), (2, 1)), Box((0, 0), (1, 2))
    prior = make("grid", wide)
    other = make("grid", tall)
    try:
        other.load_state_dict(prior.state_dict())
    except (RuntimeError, ValueError):
        return
    torch.testing.assert_close(other(points(wide)), prior(points(wide)))


@pytest.mark.parametrize("name", priors.names())
def test_casting_does_not_move_the_box(name: str) -> None:
    prior = make(name, BOXES["2d"]).float()
    prior.load_state_dict(prior.state_dict())
    assert prior.box == BOXES["2d"]


def is_complex(name: str, options: dict) -> bool:
    return options.get("head") == "complex" or name == "phased"


@dimensions
@variants
def test_double_precision_and_slopes(name: str, options: dict, box: Box) -> None:
    """Autograd's slopes are central differences (inside cells, between the kinks of ReLU)."""
    prior = make(name, box, **options)
    if prior.smoothness == -math.inf:
        pytest.skip("it has no slopes, and refuses to be asked (tests/priors/frames)")
    kind = F64
    if is_complex(name, options):
        kind = torch.complex128
    single = prior(points(box)).to(kind)
    prior = prior.double()
    torch.testing.assert_close(prior(points(box).double()), single, rtol=1e-3, atol=1e-3)
    p = points(box, dtype=F64).requires_grad_()
    (slope,) = torch.autograd.grad(torch.real(prior(p)).sum(), p)
    step = 1e-6
    for k in range(box.ndim):
        move = step * torch.eye(box.ndim, dtype=F64)[k] / box.scale[k]
        with torch.no_grad():
            rise = torch.real(prior(p + move) - prior(p - move))[:, 0] / (2 * step)
        size = 1e-3 + slope[:, k].abs().max() / box.scale[k]
        off = (rise - slope[:, k] / box.scale[k]).abs() / size
        assert off.quantile(0.95) < 1e-5


@variants
def test_groups_hold_every_parameter_once(name: str, options: dict) -> None:
    prior = make(name, SQUARE, **options)
    groups = prior.param_groups()
    grouped = [id(p) for g in groups for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in prior.parameters())
    assert all(g["lr"] > 0 for g in groups)
    hidden = [p for g in groups if g["role"] == "hidden" for p in g["params"]]
    assert all(p.ndim == 2 and not p.is_complex() for p in hidden)
    numbers = sum(p.numel() for p in prior.parameters())
    imaginary = sum(p.numel() for p in prior.parameters() if p.is_complex())
    assert prior.parameter_count == numbers + imaginary


@pytest.mark.parametrize("name", ["hash", "grid", "fourier", "planes", "tensor", "acorn"])
def test_a_laplacian_needs_smoothness(name: str) -> None:
    with pytest.raises(TypeError, match=f"'{name}'.*'siren'.*order=3.*smoothstep"):
        Sobolev(order=2)(make(name, SQUARE), points(SQUARE))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("siren", {}),
        ("grid", {"order": 3}),
        ("hash", {"interpolation": "smoothstep"}),
        ("planes", {"interpolation": "cubic"}),
        ("tensor", {"interpolation": "smoothstep"}),
        ("gaussian_mixture", {}),
    ],
)
def test_a_laplacian_is_the_second_difference(name: str, options: dict) -> None:
    prior = make(name, SQUARE, **options).double()
    p = points(SQUARE, dtype=F64)
    h = 1e-5
    got = laplacian(prior, p).detach()
    steps = h * torch.eye(2, dtype=F64)
    with torch.no_grad():
        second = sum((prior(p + s) + prior(p - s) - 2 * prior(p)) / h**2 for s in steps)
    assert got.abs().max() > 0
    assert ((got - second).abs() / got.abs().max()).quantile(0.9) < 1e-3


# relu has no frequency of its own
@pytest.mark.parametrize("name", [n for n in priors.names() if n != "relu"])
def test_bandwidth_raises_the_spectral_centroid(name: str) -> None:
    grid = Grid(SQUARE, (96, 96))
    frequency = torch.fft.fftfreq(96, 2 / 96)
    radius = torch.hypot(frequency[:, None], frequency[None])
    taper = torch.outer(*[torch.hann_window(96)] * 2)
    centroids = []
    for bandwidth in (4.0, 10.0, 24.0):
        energy = torch.zeros(96, 96)
        for seed in range(3):
            options = {"bandwidth": bandwidth, "seed": seed, **SLOW.get(name, {})}
            prior = priors.create(name, SQUARE, **options)
            if name == "grid":
                generator = torch.Generator().manual_seed(seed)
                nn.init.normal_(next(prior.parameters()), generator=generator)
            values = prior.sample(grid)[..., 0].detach()
            energy += torch.fft.fft2(taper * (values - values.mean())).abs().square()
        centroids.append(float((energy * radius).sum() / energy.sum()))
    assert centroids[0] < centroids[1] < centroids[2]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sirne", {}, "Unknown prior 'sirne'.*'siren'"),
        ("siren", {"omega": 30.0}, "no option 'omega'.*'omega0'"),
        ("siren", {"omega0": -30.0}, "siren: omega0=-30.0 must be a number from 1e-09"),
        ("grid", {"cells": math.nan}, "grid: cells=nan must be a number above 0"),
        ("grid", {"order": 2}, "grid: order=2 must be 1 or 3"),
        ("hash", {"interpolation": "cubicle"}, "interpolation='cubicle' must be 'linear'"),
        ("wire", {"variant": "imaginary"}, "'complex', 'real' or 'two'"),
        ("fourier", {"spacing": "Random"}, "spacing"),
        ("siren", {"head": "sigmoidal"}, "head must be one of"),
        ("hash", {"coarsest": 64, "finest": 4, "log2_table": 8}, "finest"),
    ],
)
def test_wrong_names_and_options_are_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        priors.create(name, SQUARE, **options)


def test_a_module_that_is_no_preset_is_told_what_a_preset_takes(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text("def cubic(box, degree=3): ...\n")
    with pytest.raises(TypeError, match=r"takes \(box, degree\), but a preset is called with"):
        priors.create(f"{mine}:cubic", SQUARE)


def test_siren_keeps_its_variance_with_depth() -> None:
    """Scaled pre-activations stay near N(0, 1), and sines near the arcsine law.

    Source: Sitzmann et al. 2020, section 3.2.
    """
    h = points(SQUARE, 2000)
    network = priors.siren(SQUARE, omega0=30.0, width=256, depth=6).network
    assert isinstance(network, MLP)
    for k, layer in enumerate(network.layers):
        linear = layer.linears[0]  # type: ignore[index]
        z = 30 * (linear(h) - linear.bias).detach()  # type: ignore[operator, union-attr]
        h = layer(h).detach()
        assert k == 0 or float(z.std()) == pytest.approx(1, abs=0.15)
        assert float(h.square().mean()) == pytest.approx(0.5, abs=0.05)


def test_random_features_have_the_gaussian_kernel() -> None:
    sigma = 0.7
    x = torch.tensor([[0.1, -0.2]])
    y = x + torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.2, -0.3], [1.0, 1.0]])
    frequencies = gaussian_frequencies(2, 100_000, sigma, torch.Generator().manual_seed(0))
    features = FourierFeatures(frequencies)
    kernel = (features(x) * features(y)).sum(-1) / 100_000
    expected = torch.exp(-2 * math.pi**2 * sigma**2 * (x - y).square().sum(-1))
    torch.testing.assert_close(kernel, expected, rtol=0, atol=0.01)


def test_wire_without_imaginary_weights_is_a_gabor_wavelet() -> None:
    z = torch.linspace(-1, 1, 21, dtype=F64)
    pair = torch.cat([z, torch.zeros_like(z)])
    expected = torch.exp(-((3 * z) ** 2)) * torch.cos(7 * z)
    torch.testing.assert_close(GaborComplex(7.0, 3.0)(pair)[:21], expected)
