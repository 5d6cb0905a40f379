"""Learnt motion and its prior in time, gain and bias, and the part that cannot be told."""

from dataclasses import replace

import pytest
import torch
from cases.slice import BOX, F64, SIZES, parallel, random, slices

from inverse_inr import predict
from inverse_inr.operators import SliceAcquisition, Slices
from inverse_inr.operators.rigid import rigid
from inverse_inr.operators.slices.geometry import order_of_acquisition
from inverse_inr.operators.slices.nuisance import STIFFNESS, uneven_motion

# --- motion in time -----------------------------------------------------------


def timed(time: list[int], pixels: list[int]) -> Slices:
    """Slices of one stack with so many pixels each, acquired at those times."""
    n = len(time)
    places = torch.zeros(n, 3, dtype=F64)
    places[:, 2] = torch.arange(n)
    whole = Slices.of_stack(
        rigid(torch.zeros(n, 3, dtype=F64), places), (3, 4), SIZES[:2], SIZES[2]
    )
    few = torch.cat([torch.arange(12) < k for k in pixels])
    return replace(whole, time=torch.tensor(time)).select(few)


def test_order_of_acquisition() -> None:
    assert order_of_acquisition(7, 3).tolist() == [0, 3, 6, 1, 4, 2, 5]
    assert order_of_acquisition(4, 1).tolist() == [0, 1, 2, 3]
    assert order_of_acquisition(2, 5).tolist() == [0, 1]
    one = replace(slices(4), time=torch.tensor([0, 3, 1, 5]))  # by time 0, 2, 1, 3, with gaps
    three, between = Slices.join(
        [one, slices(3), replace(slices(3), time=torch.tensor([2, 1, 0]))]
    ).successive()
    # nothing across stacks, nothing where time is unknown
    assert three.tolist() == [[0, 2, 1], [2, 1, 3], [9, 8, 7]]
    torch.testing.assert_close(between, torch.tensor([1 / 3, 0.5, 0.5], dtype=F64))
    with pytest.raises(ValueError, match="times of shape \\(3,\\)"):
        replace(slices(4), time=torch.arange(3))


def test_uneven_motion() -> None:
    """Steady motion costs nothing; a slice off the line costs by its distance and the scatter."""
    three, between = timed([0, 1, 3, 4, 5, 6, 7], [12] * 7).successive()
    steady = torch.tensor([0.0, 1, 3, 4, 5, 6, 7], dtype=F64)[:, None] * random(6)
    pixels = torch.full((7,), 12.0, dtype=F64)
    assert float(uneven_motion(steady, three, between, pixels)) < 1e-20
    off = steady.clone()
    # an end: 0.25 mm off the line, for the slice before it
    off[6] += torch.tensor([0.3, 0, 0.4, 0, 0, 0])
    squared = 0.25**2 / 0.02**2
    torch.testing.assert_close(
        uneven_motion(off, three, between, pixels),
        torch.tensor(STIFFNESS * ((1 + squared) ** 0.5 - 1), dtype=F64),
    )
    shaken = steady + 0.3 * random(7, 6, seed=3)
    e = (
        shaken[three[:, 1]]
        - (1 - between)[:, None] * shaken[three[:, 0]]
        - between[:, None] * shaken[three[:, 2]]
    )
    squared = e.unflatten(-1, (2, 3)).square().sum(-1)
    cost = STIFFNESS * ((1 + squared / (squared.median(0).values / 2.366)).sqrt() - 1).sum()
    torch.testing.assert_close(uneven_motion(shaken, three, between, pixels), cost)
    motion = shaken.requires_grad_()
    uneven_motion(motion, three, between, torch.ones(7, dtype=F64)).backward()
    assert motion.grad is not None
    assert not torch.equal(motion.grad, torch.zeros_like(motion))


def test_a_jump_is_drawn_by_a_force_that_does_not_grow() -> None:
    three, between = timed(list(range(9)), [12] * 9).successive()
    pixels, forces = torch.full((9,), 12.0, dtype=F64), []
    for jump in (5.0, 20.0):
        motion = 0.1 * random(9, 6, seed=1)
        motion[4] += jump
        motion.requires_grad_()
        force = torch.autograd.grad(uneven_motion(motion, three, between, pixels), motion)[0]
        forces.append(float(force[4].norm()))
    assert forces[1] == pytest.approx(forces[0], rel=0.01)


def test_a_slice_that_sees_next_to_nothing_follows_the_others() -> None:
    """With a parabola for each slice's pixels and the prior, few pixels follow and many stay."""
    where = timed(list(range(8)), [12, 12, 12, 12, 1, 12, 12, 12])
    operator = SliceAcquisition(BOX, where, nodes=8, motion=True).double()
    line = torch.arange(8, dtype=F64)[:, None] * random(6)
    asked = line + 0.05 * random(8, 6, seed=2)
    asked[4] += 3.0
    precision = torch.full((8, 1), 1e4, dtype=F64)
    precision[4] = 5.0
    operator.motion.data.copy_(asked)
    optimizer = torch.optim.Adam([operator.motion], lr=0.03)
    for _ in range(400):
        optimizer.zero_grad()
        prior = operator.negative_log_prior()
        assert prior is not None
        (
            0.5 * (precision * (operator.motion - asked).square()).sum() + len(operator) * prior
        ).backward()
        optimizer.step()
    found = operator.motion.detach()
    assert float((found - line)[4].abs().max()) < 0.3
    assert float((found - asked)[torch.arange(8) != 4].abs().max()) < 0.1


def test_without_an_order_or_motion_there_is_no_prior() -> None:
    known = timed(list(range(5)), [4] * 5)
    assert SliceAcquisition(BOX, known, motion=True).negative_log_prior() is not None
    for operator in (
        SliceAcquisition(BOX, known),
        SliceAcquisition(BOX, replace(known, time=None), motion=True),
        SliceAcquisition(BOX, timed([0, 1], [4] * 2), motion=True),
    ):
        assert operator.negative_log_prior() is None


# --- gain and bias ------------------------------------------------------------


def test_gain_and_bias_are_factors() -> None:
    where = Slices.join([parallel(4, torch.zeros(3, dtype=F64)), parallel(4, random(3))])
    operator = SliceAcquisition(BOX, where, gain=True, bias=1)
    with torch.no_grad():
        # without trends
        operator.log_gain.copy_(torch.tensor([3.0, 0.0, 0.0, 3.0, 5.0, 5.0, 5.0, 5.0]))
        operator.log_bias[0, 2] = 3.0  # the first of x, y, z that changes fastest along axis 0
    seen = predict(operator, lambda x: torch.ones_like(x[..., :1]))
    level = operator.log_gain.detach().double()
    gains = torch.exp(0.1 * (level - level[where.index].mean()))
    # the part that both stacks share is taken off
    sign = torch.where(where.stack[where.index] == 0, 0.5, -0.5)
    ramp = torch.exp(0.3 * sign * where.centers()[:, 0] / 12)
    torch.testing.assert_close(seen, gains[where.index] * ramp, rtol=1e-6, atol=0)


def test_what_gain_and_bias_can_both_explain_is_not_left_open() -> None:
    """A trend of gains says nothing, and a slice that was lost does not pull the others' trend.

    A factor of the volume along the first stack's normal, undone by its gains and all biases,
    cannot be told.
    """
    where = Slices.join([parallel(21, torch.zeros(3, dtype=F64)), parallel(7, random(3))])
    operator = SliceAcquisition(BOX, where, gain=True, bias=2)
    level = 0.2 * random(28)
    with torch.no_grad():
        operator.log_gain.copy_(level)
        plain = operator.gains()
        t = torch.linspace(-1, 1, 21)
        operator.log_gain[:21] += 3.0 * t + 2.0 * t**2 - 2.0 * float((t**2).mean())
        torch.testing.assert_close(operator.gains().log(), plain.log(), rtol=0, atol=1e-6)
        operator.log_gain.copy_(level)
        operator.log_gain[7] -= 20.0  # 14 % of the signal is left
        ratio = (operator.gains() / plain).log()
    others = torch.arange(28) != 7
    assert float((ratio[others] - ratio[others].mean()).abs().max()) < 0.01  # by least squares 0.23
    assert float(ratio[7] - ratio[others].mean()) == pytest.approx(-2.0, abs=0.01)
    loss = operator.gains()[[0, 3, 24]].sum()
    loss.backward()
    assert operator.log_gain.grad is not None
    assert bool(operator.log_gain.grad.isfinite().all())


# --- motion of slices ---------------------------------------------------------


def test_common_motion_is_the_volumes() -> None:
    operator = SliceAcquisition(BOX, slices(), motion=True)
    before = operator.moved()
    with torch.no_grad():
        operator.motion += torch.tensor([0.1, -0.2, 0.3, 1.0, 2.0, 3.0])
    torch.testing.assert_close(operator.moved(), before, atol=1e-6, rtol=0)


def test_motion_turns_a_slice_about_its_middle() -> None:
    where = slices(2)
    operator = SliceAcquisition(BOX, where, motion=True)
    angle = 0.2
    with torch.no_grad():
        operator.motion[0] = torch.tensor([angle * operator.radius, 0, 0, 0, 0, 2.0])
        operator.motion[1] = -operator.motion[0]
    x = torch.tensor([angle, 0.0, 0.0], dtype=F64)
    turn = rigid(x, torch.zeros(3, dtype=F64))[:3, :3]
    got = operator.moved()[0]
    torch.testing.assert_close(got[:3, :3], turn @ where.poses[0, :3, :3], atol=1e-7, rtol=0)
    torch.testing.assert_close(
        got[:3, 3], where.poses[0, :3, 3] + torch.tensor([0, 0, 2.0], dtype=F64)
    )
