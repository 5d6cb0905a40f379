"""Rigid transforms against scipy's Rotation; the gauge."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from inverse_inr.operators.rigid import (
    align,
    apply,
    check_rigid,
    compose,
    inverse,
    join,
    pose_errors,
    rigid,
    rotation_matrix,
    rotation_vector,
)

F64 = torch.float64


def vectors(count: int = 20, scale: float = 1.0, seed: int = 0) -> Tensor:
    return scale * torch.randn(count, 3, dtype=F64, generator=torch.Generator().manual_seed(seed))


def motions(count: int = 20, angle: float = 0.3, length: float = 5.0, seed: int = 0) -> Tensor:
    return rigid(vectors(count, angle, seed), vectors(count, length, seed + 1))


def test_rotations_are_scipys() -> None:
    extremes = torch.tensor([[0.0, 0, 0], [math.pi, 0, 0]], dtype=F64)
    w = torch.cat([vectors(), vectors(scale=1e-9), extremes])
    expected = torch.from_numpy(Rotation.from_rotvec(w.numpy()).as_matrix())
    torch.testing.assert_close(rotation_matrix(w), expected, atol=1e-14, rtol=0)
    again = rotation_matrix(rotation_vector(expected))
    torch.testing.assert_close(again, expected, atol=1e-12, rtol=0)


def test_composition_is_scipys() -> None:
    a, b = vectors(seed=1), vectors(seed=2)
    both = (Rotation.from_rotvec(a.numpy()) * Rotation.from_rotvec(b.numpy())).as_matrix()
    nowhere = torch.zeros(20, 3, dtype=F64)
    got = compose(rigid(a, nowhere), rigid(b, nowhere))
    torch.testing.assert_close(got[:, :3, :3], torch.from_numpy(both))
    x = vectors(7)
    first = motions(1)[0]
    second = motions(1, seed=5)[0]
    torch.testing.assert_close(apply(compose(first, second), x), apply(first, apply(second, x)))


def test_the_inverse_undoes_a_transform() -> None:
    m = motions()
    eye = torch.eye(4, dtype=F64).expand_as(m)
    torch.testing.assert_close(compose(inverse(m), m), eye, atol=1e-12, rtol=0)
    torch.testing.assert_close(inverse(m), torch.linalg.inv(m))


def test_small_rotations_are_cross_products() -> None:
    """The derivative d/dε R(ε w) x at 0 is w × x, and autograd has it exactly at 0."""
    w, x = vectors(5), vectors(5, seed=9)
    for row, point in zip(w, x, strict=True):
        zero = torch.zeros(3, dtype=F64)
        jacobian = torch.autograd.functional.jacobian(
            lambda v, p=point: rotation_matrix(v) @ p, zero
        )
        torch.testing.assert_close(jacobian @ row, torch.linalg.cross(row, point))
    half = torch.from_numpy(Rotation.from_rotvec(1e-6 * w.numpy()).as_matrix())
    moved = (half @ x[..., None])[..., 0] - x
    torch.testing.assert_close(moved, 1e-6 * torch.linalg.cross(w, x), atol=1e-11, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-8, 0.7, 3.0])
def test_rotations_have_gradients_at_every_angle(scale: float) -> None:
    v = vectors(3, scale).requires_grad_()
    torch.autograd.gradcheck(lambda v: rotation_matrix(v)[:, :2], (v,))


def test_the_gauge_is_taken_off() -> None:
    true = motions()
    common = motions(1, angle=1.0, length=30.0, seed=7)[0]
    torch.testing.assert_close(align(common @ true, true), common)
    degrees, distance = pose_errors(common @ true, true)
    assert float(degrees.max()) < 1e-5
    assert float(distance.max()) < 1e-9
    wrong = common @ true
    wrong[0] = motions(1, angle=2.0, seed=11)[0]
    trusted = torch.cat([torch.zeros(1), torch.arange(1.0, 20.0)])
    torch.testing.assert_close(align(wrong, true, trusted), common)
    one = true.clone()
    ten_degrees = torch.tensor([0.0, 0.0, math.radians(10)], dtype=F64)
    one[3] = rigid(ten_degrees, torch.zeros(3, dtype=F64)) @ one[3]
    raw = pose_errors(one, true, gauge=False)
    assert float(raw.degrees[3]) == pytest.approx(10)
    assert float(raw.degrees.sum()) == pytest.approx(10)
    moved = np.linalg.norm((one - true)[3, :3, 3])
    assert float(raw.distance[3]) == pytest.approx(moved)


def test_the_identity_is_a_rigid_transform() -> None:
    check_rigid("poses", torch.eye(4))


@pytest.mark.parametrize("diagonal", [[2.0, 2, 2, 1], [-1.0, 1, 1, 1]], ids=["scaled", "mirrored"])
def test_what_is_no_rigid_transform_is_refused(diagonal: list[float]) -> None:
    with pytest.raises(ValueError, match=r"poses: R R.* A scaled affine"):
        check_rigid("poses", torch.diag(torch.tensor(diagonal)))


def test_a_shift_that_is_not_finite_is_refused() -> None:
    pose = join(torch.eye(3), torch.tensor([0.0, math.nan, 0]))
    with pytest.raises(ValueError, match=r"finite \(\*s, 4, 4\)"):
        check_rigid("poses", pose)
