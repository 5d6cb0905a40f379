"""Slices through their profiles against closed forms: widths, sums, nodes fixed and random."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from cases.slice import BOX, F64, SIZES, blob, random, slices, two_stacks
from torch import Tensor

from inverse_inr import Box, Grid, SampledField, predict
from inverse_inr.operators import SliceAcquisition, Slices
from inverse_inr.operators.optics import psf
from inverse_inr.operators.rigid import rigid
from inverse_inr.operators.slices.profile import FWHM, SINC_FWHM, Separable, Sinc, slice_profile


@pytest.mark.parametrize(("nodes", "error"), [((12, 12), 1e-9), (128, 3e-3), (32, 1e-2)])
def test_blob_through_a_gaussian_profile(nodes: Any, error: float) -> None:
    """Covariances add, with Σ the profile's.

    exp(-½ x S⁻¹ x) -> √(det S / det(S + Σ)) exp(-½ x (S + Σ)⁻¹ x)
    """
    where = slices()
    root = random(3, 3, seed=3)
    s = root @ root.mT + 4 * torch.eye(3, dtype=F64)
    middle = torch.tensor([0.5, -1.0, 0.3], dtype=F64)
    seen = predict(SliceAcquisition(BOX, where, nodes=nodes), blob(s, middle))
    deviation = torch.tensor(SIZES, dtype=F64) * torch.tensor(
        [SINC_FWHM * FWHM] * 2 + [FWHM], dtype=F64
    )
    expected = []
    for k, x in zip(where.index, where.centers(), strict=True):
        r = where.poses[k, :3, :3]
        both = s + r @ torch.diag(deviation**2) @ r.mT
        expected.append(
            torch.sqrt(torch.linalg.det(s) / torch.linalg.det(both)) * blob(both, middle)(x)
        )
    expected = torch.cat(expected)
    assert float((seen - expected).abs().max() / expected.abs().max()) < error


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("profile", "draws"), [("gaussian", 8), ("sinc", None), ("rect", 8)])
def test_a_ramp_stays_a_ramp(profile: str, draws: int | None, training: bool) -> None:
    """Through any symmetric profile, by the fixed and by the random nodes (of positive weight)."""
    slope = torch.tensor([0.3, -2.0, 1.0], dtype=F64)
    where = two_stacks()
    operator = SliceAcquisition(BOX, where, profile, nodes=8, draws=draws).train(training)
    seen = predict(operator, lambda x: x @ slope[:, None] + 5)
    torch.testing.assert_close(seen, where.centers() @ slope + 5, atol=1e-9, rtol=0)


def test_random_nodes_have_the_moments_of_the_profile() -> None:
    """Squares are exact too: the mean of x_i x_j over the nodes is the profile's covariance."""
    torch.manual_seed(0)
    where, operator = slices(1, (1, 1)), SliceAcquisition(BOX, slices(1, (1, 1)), draws=8).train()
    points, measure = operator(torch.zeros(300, dtype=torch.long))
    r, d = where.poses[0, :3, :3], torch.tensor(SIZES, dtype=F64)
    expected = r @ torch.diag((d * d.new_tensor([SINC_FWHM * FWHM] * 2 + [FWHM])) ** 2) @ r.mT
    x = points - where.poses[0, :3, 3]
    outer = measure((x[..., :, None] * x[..., None, :]).flatten(-2)).unflatten(-1, (3, 3))
    # four independent nodes in three dimensions may lie almost in a plane: digits are lost there
    torch.testing.assert_close(outer, expected.expand_as(outer), atol=1e-3, rtol=0)
    assert float((outer - expected).abs().mean()) < 1e-6
    assert not torch.equal(points[0], points[1])


def test_a_measured_profile() -> None:
    """Three point masses across the slice: the mean of three thin slices."""
    across = psf.Measured(torch.tensor([0.25, 0.5, 0.25]), 0.5)
    thin = Separable(psf.Pixel(1e-9, 2), psf.Pixel(1e-9, 1))
    where = slices()
    field = blob(9 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    seen = predict(
        SliceAcquisition(BOX, where, Separable(psf.Pixel(1e-9, 2), across), nodes=(1, 1)), field
    )
    layers = []
    for shift in (-0.5, 0.0, 0.5):
        step = where.poses @ rigid(
            torch.zeros(3, dtype=F64), torch.tensor([0, 0, shift * SIZES[2]], dtype=F64)
        )
        moved = Slices(step, where.sizes, where.index, where.positions, where.stack)
        layers.append(predict(SliceAcquisition(BOX, moved, thin, nodes=(1, 1)), field))
    torch.testing.assert_close(seen, 0.25 * layers[0] + 0.5 * layers[1] + 0.25 * layers[2])


def test_profiles_have_their_widths_and_sums() -> None:
    x = np.linspace(-2, 2, 400001)
    inside = x[np.sinc(x) >= 0.5]
    assert inside.max() - inside.min() == pytest.approx(SINC_FWHM, abs=1e-4)
    bell = np.exp(-0.5 * (x / FWHM) ** 2)
    inside = x[bell >= 0.5]
    assert inside.max() - inside.min() == pytest.approx(1, abs=1e-4)
    for lobes in (1, 2, 3):
        profile = Sinc(1.5, lobes)
        offsets, weights = profile.nodes(24)
        assert float(weights.sum()) == pytest.approx(1)
        frequency = torch.tensor([[0.0], [0.2], [0.7]], dtype=F64)
        u = (torch.arange(2**15, dtype=F64)[:, None] + 0.5) / 2**15
        drawn, signed = profile.draw(u)
        wave = torch.cos(2 * math.pi * frequency * drawn[:, 0]) @ signed
        torch.testing.assert_close(wave, profile.transfer(frequency).real, atol=3e-4, rtol=0)
        assert float(offsets.abs().max()) < float(profile.half_widths()[0])


def test_a_product_of_profiles_is_their_product() -> None:
    both = slice_profile("sinc")
    k = torch.tensor([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0]], dtype=F64)
    expected = (
        Sinc().transfer(k[:, :1])
        * Sinc().transfer(k[:, 1:2])
        * psf.Gaussian(FWHM, 1).transfer(k[:, 2:])
    )
    torch.testing.assert_close(both.transfer(k), expected)
    offsets, weights = both.nodes(10)
    torch.testing.assert_close(
        torch.exp(-2j * math.pi * k.to(torch.complex128) @ offsets.mT.to(torch.complex128))
        @ weights.to(expected),
        expected,
        atol=1e-4,
        rtol=0,
    )
    assert both.half_widths().tolist() == [2, 2, 5 * FWHM]


def test_quadrature_on_a_brain() -> None:
    """32 nodes err by less than 0.35 % of the rms value, for 1 x 1 x 3 mm slices of MNI152."""
    from nilearn.datasets import load_mni152_template

    image: Any = load_mni152_template(resolution=1)
    values = torch.from_numpy(np.asarray(image.dataobj, dtype=np.float64))
    box = Box((0.0, 0.0, 0.0), tuple(values.shape), ("mm",) * 3)
    generator = torch.Generator().manual_seed(1)
    brain = (values > 0).nonzero()
    middles = brain[torch.randint(len(brain), (200,), generator=generator)] + 0.5
    poses = rigid(torch.randn(200, 3, dtype=F64, generator=generator), middles.double())
    where = Slices.of_stack(poses, (1, 1), (1.0, 1.0), 3.0)
    brain_field = SampledField(values[..., None], Grid(box, tuple(values.shape)))

    @torch.no_grad()
    def seen(nodes: Any) -> Tensor:
        return predict(SliceAcquisition(box, where, nodes=nodes), brain_field)

    truth = seen((9, 19))
    assert float((seen(32) - truth).square().mean().sqrt() / truth.square().mean().sqrt()) < 0.0035
