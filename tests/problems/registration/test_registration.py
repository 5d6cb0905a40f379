"""The registration problem: a known deformation is simulated, recovered and written."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from inverse_inr import Box, Grid, predict, solve
from inverse_inr.command import catalogue
from inverse_inr.domain import pixel_grid
from inverse_inr.io import read_nifti, write_image
from inverse_inr.operators import folded_fraction
from inverse_inr.problems.images import binned, cropped
from inverse_inr.problems.registration import register
from inverse_inr.problems.registration.aligned import determinants, through
from inverse_inr.problems.registration.deformable import (
    Deformation,
    blurred,
    blurs,
    displacement_error,
)
from inverse_inr.problems.registration.image_pairs import load_moving
from inverse_inr.solver import make_prior


def blobs(shape, seed=0, count=14):
    """Smooth bumps, (*shape, 1) between 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    points = pixel_grid(shape).points()
    centers = torch.rand(count, len(shape), generator=generator) * torch.tensor(shape)
    squared = (points[..., None, :] - centers).square().sum(-1)
    values = torch.exp(-squared / (2 * (min(shape) / 9) ** 2)).sum(-1, keepdim=True)
    return values / values.max()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "blobs.png"
    write_image(path, blobs((40, 48)), pixel_grid((40, 48)))
    return str(path)


def test_the_deformation_vanishes_at_the_faces_and_is_as_large_as_asked():
    grid = Grid(Box((1.0, -2.0), (31.0, 38.0)), (30, 40))
    u = Deformation(grid, 4.0, seed=2)
    corners = torch.tensor([[1.0, 7.0], [31.0, 3.0], [12.0, -2.0], [8.0, 38.0]])
    assert float(u(corners).abs().max()) < 1e-5
    assert float(u(grid.points()).abs().max()) == pytest.approx(4.0, rel=0.02)
    assert folded_fraction(Deformation(grid, 3.0), grid) == 0.0


def test_the_true_deformation_explains_the_fixed_image(picture):
    problem = register(picture, amplitude=3.0, noise_level=1e-6)
    assert problem.reference is not None
    seen = predict(problem.terms[0].operator, problem.reference)
    # the operator looks between pixels linearly, the simulation by cubic splines
    assert float((seen - problem.terms[0].y).abs().mean()) < 2e-3


def test_a_known_deformation_is_recovered_without_folding(picture):
    problem = register(picture, amplitude=2.0, blur=0.0)
    before = displacement_error(problem.suggested.baselines["no registration"](problem))
    solution = solve(problem, steps=12, points=100, optimizer="lbfgs", callbacks=[])
    assert before > 0.6
    assert displacement_error(solution) < 0.5
    assert float(determinants(solution).min()) > 0


@pytest.mark.slow
def test_blurred_images_lead_past_a_fine_texture(tmp_path):
    """A checkerboard of 4 pixels under a displacement of 3: at once, the fit ends a period off."""
    grid = pixel_grid((32, 36))
    x, y = grid.points().unbind(-1)
    fine = 0.2 * torch.sin(0.5 * torch.pi * x) * torch.sin(0.5 * torch.pi * y)
    coarse = 0.3 * torch.exp(-((x - 16) ** 2 + (y - 18) ** 2) / 50) - 0.15 * torch.exp(
        -((x - 8) ** 2 + (y - 25) ** 2) / 30
    )
    write_image(tmp_path / "texture.png", (0.5 + fine + coarse).clamp(0, 1)[..., None], grid)
    at_once = solve(
        register(str(tmp_path / "texture.png"), amplitude=3.0, blur=0.0),
        steps=8,
        points=256,
        callbacks=[],
    )
    problem = register(str(tmp_path / "texture.png"), amplitude=3.0)
    led = replace(at_once, field=make_prior(problem, None, 0).eval(), problem=problem)
    assert displacement_error(at_once) > 1.5
    assert displacement_error(led) < 1.0
    with pytest.raises(ValueError, match="blur=-1"):
        register(str(tmp_path / "texture.png"), blur=-1.0)


def test_blurs_halve_down_to_a_pixel():
    assert blurs(4.0) == [4.0, 2.0, 1.0]
    assert blurs(3.0) == [3.0, 1.5]
    assert blurs(0.5) == blurs(0.0) == []
    image = torch.zeros(21, 21, 1)
    image[10, 10] = 1.0
    seen = blurred(image, 2.0)
    place = torch.arange(21.0) - 10
    assert float(seen.sum()) == pytest.approx(1, abs=1e-4)
    assert float((seen.sum((1, 2)) * place**2).sum()) == pytest.approx(4.0, rel=0.01)


def test_classical_methods_align(picture):
    problem = register(picture, amplitude=2.0)
    problem = replace(problem, suggested=replace(problem.suggested, steps=8))
    fixed, methods = problem.terms[0].y.reshape(40, 48), problem.suggested.baselines
    errors = {
        name: float((through(m(problem)) - fixed).square().mean()) for name, m in methods.items()
    }
    assert errors["TV-L1 flow"] < 0.5 * errors["no registration"]
    assert errors["B-spline grid"] < 0.5 * errors["no registration"]


def test_correlation_sees_through_gain_and_offset(picture, tmp_path):
    problem = register(picture, amplitude=2.0, fidelity="ncc")
    term = problem.terms[0]
    dimmed = replace(problem, terms=[replace(term, y=0.5 * term.y + 0.2)])
    assert float(term.fidelity(term.y, dimmed.terms[0].y)) == pytest.approx(0, abs=1e-5)


def test_local_correlation_sees_through_shading(tmp_path):
    texture = gaussian_filter(np.random.default_rng(0).standard_normal((40, 48)), 2.5)
    texture = torch.from_numpy((texture - texture.min()) / np.ptp(texture))[..., None]
    write_image(tmp_path / "texture.png", texture, pixel_grid((40, 48)))
    problem = register(
        str(tmp_path / "texture.png"),
        amplitude=2.0,
        fidelity="local-ncc",
        smoothness=1000.0,
        blur=0.0,
    )
    before = displacement_error(problem.suggested.baselines["no registration"](problem))
    shading = torch.linspace(0.7, 1.3, 40)[:, None].expand(40, 48).reshape(-1)
    shaded = replace(
        problem, terms=[replace(problem.terms[0], y=shading * problem.terms[0].y + 0.2)]
    )
    solution = solve(shaded, steps=8, points=100, callbacks=[])
    assert displacement_error(solution) < 0.5 * before
    assert float(determinants(solution).min()) > 0


def test_an_unknown_fidelity_offers_the_nearest(picture):
    with pytest.raises(ValueError, match="ncc"):
        register(picture, fidelity="nnc")  # pyright: ignore[reportArgumentType]


def test_two_files_whose_sizes_or_affines_disagree_are_refused(picture, tmp_path):
    other = tmp_path / "other.png"
    write_image(other, blobs((40, 40)), pixel_grid((40, 40)))
    with pytest.raises(ValueError, match="no affines"):
        register(picture, str(other))
    box = Box((0.0,) * 3, (12.0, 10.0, 8.0), ("mm",) * 3)
    grid, values = Grid(box, (12, 10, 8)), blobs((12, 10, 8))
    affine = torch.diag(torch.tensor([1.0, 1, 1, 1])).tolist()
    write_image(tmp_path / "a.nii", values, grid.with_affine(affine))
    write_image(tmp_path / "b.npz", values, grid)
    with pytest.raises(ValueError, match="affine"):
        register(str(tmp_path / "a.nii"), str(tmp_path / "b.npz"), volume=True)
    moved = torch.tensor(affine)
    moved[0, 3] = 2.0
    write_image(tmp_path / "c.nii", values, grid.with_affine(moved.tolist()))
    problem = register(str(tmp_path / "a.nii"), str(tmp_path / "c.nii"), volume=True)
    # where the affines differ, a zero displacement looks through world coordinates: here two
    # voxels along axis 0
    seen = through(problem.suggested.baselines["no registration"](problem))
    assert torch.allclose(seen[:-3], values[2:-1, ..., 0], atol=1e-4)


def test_bin_and_crop_carry_the_affine():
    affine = [[2.0, 0, 0, 5], [0, 2, 0, 6], [0, 0, 2, 7], [0, 0, 0, 1]]
    grid = Grid(Box((0.0,) * 3, (16.0,) * 3, ("mm",) * 3), (8, 8, 8)).with_affine(affine)
    world = torch.cartesian_prod(*[2 * torch.arange(8.0)] * 3).reshape(8, 8, 8, 3) + torch.tensor(
        [5.0, 6, 7]
    )
    for values, made in (binned(world, grid, 2), cropped(world, grid, 4)):
        assert made.affine is not None
        matrix = torch.tensor(made.affine)
        index = torch.cartesian_prod(*[torch.arange(4.0)] * 3).reshape(4, 4, 4, 3)
        assert torch.allclose(values, index @ matrix[:3, :3].mT + matrix[:3, 3])


def test_a_volume_is_written_as_nifti_and_shown(tmp_path):
    write_image(
        tmp_path / "v.npz",
        blobs((12, 10, 8)),
        Grid(Box((0.0,) * 3, (12.0, 10, 8), ("mm",) * 3), (12, 10, 8)),
    )
    problem = register(str(tmp_path / "v.npz"), volume=True, amplitude=1.0, blur=0.0)
    solution = solve(problem, steps=3, callbacks=[])
    assert problem.suggested.write is not None
    assert problem.suggested.figure is not None
    paths = problem.suggested.write(solution, tmp_path)
    assert [p.name for p in paths] == ["aligned.nii.gz", "displacement.nii.gz"]
    assert read_nifti(paths[1], volume=slice(None))[0].shape == (12, 10, 8, 3)
    assert problem.suggested.figure(problem, [solution]) is not None


def test_the_template_and_its_preset():
    pytest.importorskip("nilearn")
    values, grid = load_moving("mni152", False, None, 4, None)
    assert grid.box.units == ("mm", "mm")
    assert np.allclose(grid.spacing, 4.0)
    assert float(values.max()) <= 1.0
    with pytest.raises(ValueError, match="slice=999"):
        load_moving("mni152", False, 999, 4, None)
    assert "register" in catalogue.problems.names()


def test_an_image_that_is_the_same_everywhere_is_refused(tmp_path):
    from PIL import Image

    Image.fromarray(np.full((16, 20), 9, np.uint8)).save(tmp_path / "flat.png")
    Image.fromarray(np.arange(320, dtype=np.uint16).astype(np.uint8).reshape(16, 20)).save(
        tmp_path / "a.png"
    )
    paths = str(tmp_path / "flat.png"), str(tmp_path / "a.png")
    for moving, fixed in (paths, paths[::-1]):
        with pytest.raises(ValueError, match=r"flat\.png is .* everywhere"):
            register(moving, fixed, fidelity="ncc")
