"""Collaborative filtering: transforms, block matching against a plain search, its limits."""

import itertools

import pytest
import torch
from cases.image import textured

from inverse_inr.denoisers import CollaborativeFilter
from inverse_inr.denoisers.collaborative import cosines, haar, spline_wavelets
from inverse_inr.denoisers.matching import Patches
from inverse_inr.metrics import psnr


@pytest.mark.parametrize("matrix", [cosines(8), cosines(6), haar(1), haar(32)])
def test_cosine_and_haar_transforms_are_orthogonal(matrix):
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix)).double())


def test_spline_wavelets_have_unit_rows_an_inverse_and_details_that_ignore_a_constant():
    matrix = spline_wavelets(8)
    torch.testing.assert_close(matrix.square().sum(1), torch.ones(8).double())
    torch.testing.assert_close(torch.linalg.inv(matrix) @ matrix, torch.eye(8).double())
    assert float((matrix @ torch.ones(8).double())[1:].abs().max()) < 1e-12


@pytest.mark.parametrize(("shape", "search"), [((13,), 4), ((11, 14), 3), ((6, 7, 5), 2)])
def test_matches_are_those_of_a_plain_search(shape, search):
    image = torch.rand(*shape, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    patches = Patches(shape, 3, 2)
    found = patches.matched(image, search, 5)
    cut = patches.of(image).flatten(1)
    places = torch.tensor(list(itertools.product(*(range(n) for n in patches.corners))))
    for members, distances in zip(*found, strict=True):
        near = (places - places[members[0]]).abs().amax(1) <= search
        far = (cut - cut[members[0]]).square().mean(1).masked_fill(~near, torch.inf)
        expected, order = far.sort()
        torch.testing.assert_close(distances, expected[: len(distances)], rtol=1e-9, atol=1e-12)
        assert members.tolist() == order[: len(members)].tolist()


def test_means_of_overlapping_patches_give_the_image_back():
    image = torch.rand(9, 7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    patches = Patches((9, 7), 4, 3)
    total = patches.mean(image)
    groups = patches.matched(image, 5, 3).members
    weight = torch.rand(*groups.shape, 1, 1, generator=torch.Generator().manual_seed(1)).double()
    total.add(patches.of(image)[groups], groups, weight + 0.1)
    torch.testing.assert_close(total.image(), image)


@pytest.mark.parametrize("shape", [(20, 17, 1), (20, 17, 3), (5, 9, 1), (1, 1, 1)])
def test_a_flat_image_of_any_size_stays(shape):
    flat = torch.full(shape, 0.4, dtype=torch.float64)
    torch.testing.assert_close(CollaborativeFilter()(flat, 0.1), flat)


def test_an_image_that_repeats_is_nearly_free_of_noise():
    period = torch.rand(8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    image = period.repeat(6, 6)[..., None]
    noisy = image + 0.1 * torch.randn(
        image.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    assert float((CollaborativeFilter()(noisy, 0.1) - image).square().mean().sqrt()) < 0.045


def test_both_steps_are_better_than_noise_by_far_at_edges_and_stripes():
    image = textured(48)
    noisy = image + 0.1 * torch.randn(
        image.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    clean = CollaborativeFilter()(noisy, 0.1)
    assert psnr(clean, image, data_range=1.0) > psnr(noisy, image, data_range=1.0) + 10
