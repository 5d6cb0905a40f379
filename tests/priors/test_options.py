"""What priors take: every option has its range, every number its precision."""

import copy
import math

import pytest
import torch

from inverse_inr import priors
from inverse_inr.domain import Box

SQUARE = Box((-1, -1), (1, 1))
SMALL: dict[str, dict] = {
    "grid": {"cells": 9.0},
    "hash": {"levels": 4, "coarsest": 4, "finest": 32, "log2_table": 8},
    "cosmo": {"width": 24, "depth": 2},
    "planes": {"finest": 12.0, "features": 4, "width": 16},
    "tensor": {"cells": 12.0, "rank": 6},
    "gaussian_mixture": {"count": 30, "width": 0.2},
    "miner": {"scales": 3, "width": 6, "coarsest_width": 12},
    "acorn": {"level": 2, "nodes": 4, "features": 4, "width": 16},
    **{name: {"bandwidth": 4.0, "blocks": 2, "width": 8} for name in ("nerv", "hnerv", "hinerv")},
}


def points(count: int) -> torch.Tensor:
    return SQUARE.random_points(count, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", priors.names())
def test_half_precision_is_refused_before_anything_changes(name: str, dtype: torch.dtype) -> None:
    prior = priors.create(name, SQUARE, seed=0, **SMALL.get(name, {}))
    with pytest.raises(TypeError, match=f"^{name}: {str(dtype)[6:]} tells only .* places apart"):
        prior.to(dtype)
    assert all(p.dtype not in (torch.float16, torch.bfloat16) for p in prior.parameters())
    with pytest.raises(TypeError, match=f"^{name}: {str(dtype)[6:]}"):
        prior(points(4).to(dtype))


@pytest.mark.parametrize("name", priors.names())
def test_double_precision_agrees_with_single(name: str) -> None:
    prior = priors.create(name, SQUARE, seed=0, **SMALL.get(name, {}))
    places = points(16)
    single = prior(places).detach()
    double = copy.deepcopy(prior).double()(places.double()).detach()
    assert double.dtype.to_real() == torch.float64
    torch.testing.assert_close(single, double.to(single.dtype), rtol=1e-3, atol=1e-3)


def test_autocast_keeps_working() -> None:
    prior = priors.siren(SQUARE, width=8, depth=1)
    with torch.autocast("cpu", torch.bfloat16):
        assert bool(torch.isfinite(prior(points(4))).all())


OPTIONS: list[tuple[str, dict, type[Exception], str]] = [
    ("siren", {"depth": 0}, ValueError, "depth=0 must be a whole number from 1 to 256"),
    ("siren", {"width": 0}, ValueError, "width=0"),
    ("siren", {"width": 16.5}, TypeError, "width=16.5"),
    ("siren", {"width": "16"}, TypeError, "width='16' .* quotes"),
    ("siren", {"width": True}, TypeError, "width=True .* flag"),
    ("siren", {"channels": 0}, ValueError, "channels=0"),
    ("siren", {"bandwidth": -1.0}, ValueError, "bandwidth=-1.0"),
    ("siren", {"bandwidth": math.nan}, ValueError, "bandwidth=nan"),
    ("siren", {"seed": -1}, ValueError, "seed=-1"),
    ("siren", {"seed": 1.5}, TypeError, "seed=1.5"),
    ("siren", {"noise": (0.1, -0.1)}, ValueError, "noise=.*Number 1 is -0.1"),
    ("hash", {"log2_table": 99}, ValueError, "log2_table=99 must be a whole number from 1 to 40"),
    ("hash", {"levels": 0}, ValueError, "levels=0"),
    ("hash", {"features": 10**12}, MemoryError, "features=1000000000000"),
    ("tensor", {"rank": 0}, ValueError, "rank=0"),
    ("separable", {"rank": (4, 0)}, ValueError, "rank=.*Number 1 is 0"),
    ("fourier", {"deviation": 0.0}, ValueError, "deviation=0.0"),
    ("miner", {"overlap": 0.7}, ValueError, "overlap=0.7 must be a number above 0 and of at most"),
    ("raised_cosine", {"rolloff": 1.5}, ValueError, "rolloff=1.5"),
]


@pytest.mark.parametrize(("name", "options", "kind", "message"), OPTIONS)
def test_options_out_of_range_are_refused_by_the_prior_s_name(
    name: str, options: dict, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=f"^{name}: .*{message}"):
        priors.create(name, SQUARE, **options)


def test_a_box_must_be_a_box() -> None:
    with pytest.raises(TypeError, match=r"^siren: box=3 must be a Box"):
        priors.siren(3)  # type: ignore[arg-type]
