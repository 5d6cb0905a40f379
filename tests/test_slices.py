"""Slice acquisition: closed forms, what it learns, the sampled volume, refusals."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from inverse_inr import Box, Detector, Grid, SampledField, Warp, as_linear_map, predict
from inverse_inr.operators import SliceAcquisition, Slices, psf
from inverse_inr.operators.rigid import rigid
from inverse_inr.operators.slice_geometry import order_of_acquisition
from inverse_inr.operators.slice_nuisance import STIFFNESS, uneven_motion
from inverse_inr.operators.slice_profile import FWHM, SINC_FWHM, Separable, Sinc, slice_profile
from inverse_inr.testing import OperatorTests

F64 = torch.float64
BOX = Box((-12.0, -10.0, -9.0), (12.0, 10.0, 9.0), ("mm", "mm", "mm"))
SIZES = (1.0, 1.5, 3.0)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def slices(count: int = 4, shape: tuple[int, int] = (5, 4), seed: int = 0) -> Slices:
    poses = rigid(random(count, 3, seed=seed), 2 * random(count, 3, seed=seed + 1))
    return Slices.of_stack(poses, shape, SIZES[:2], SIZES[2])


def two_stacks() -> Slices:
    return Slices.join([slices(3), slices(2, (3, 6), seed=5)])


def parallel(count: int, normal: Tensor) -> Slices:
    """Slices every 3 mm along a normal."""
    turn = rigid(normal, torch.zeros(3, dtype=F64))
    places = 3.0 * (torch.arange(count, dtype=F64) - 0.5 * (count - 1))
    poses = turn.repeat(count, 1, 1)
    poses[:, :3, 3] = places[:, None] * turn[:3, 2]
    return Slices.of_stack(poses, (4, 3), SIZES[:2], SIZES[2])


class TestSliceAcquisition(OperatorTests):
    @pytest.fixture(autouse=True, params=["gaussian", "sinc", "rect"])
    def profile(self, request: Any) -> None:
        self.psf = request.param

    def make(self) -> SliceAcquisition:
        operator = SliceAcquisition(BOX, two_stacks(), self.psf, nodes=8, motion=True, gain=True, bias=2)
        with torch.no_grad():
            for k, p in enumerate(operator.parameters()):
                p.copy_(0.4 * random(*p.shape, seed=k))
        return operator

    def test_complex_volumes_are_measured(self) -> None:
        operator = self.operator()
        seen = predict(operator, lambda x: torch.exp(1j * x[..., :1].to(torch.complex128)))
        assert seen.dtype == torch.complex128

    def test_gradcheck(self) -> None:
        """Motion, gain and bias, all entries."""
        operator, rows = self.make().double().eval(), torch.tensor([0, 25, 70, 95])
        names = [n for n, _ in operator.named_parameters()]
        assert names == ["motion", "log_gain", "log_bias"]

        def forward(*values: Tensor) -> Tensor:
            def field(points: Tensor) -> Tensor:
                return torch.sin(0.2 * points).sum(-1, keepdim=True)

            points, measure = torch.func.functional_call(operator, dict(zip(names, values, strict=True)), (rows,))
            return measure(field(points))

        torch.autograd.gradcheck(forward, tuple(operator.parameters()), fast_mode=True)


# --- motion in time ---------------------------------------------------------------------------------------------


def timed(time: list[int], pixels: list[int]) -> Slices:
    """Slices of one stack with so many pixels each, acquired at those times."""
    n = len(time)
    places = torch.zeros(n, 3, dtype=F64)
    places[:, 2] = torch.arange(n)
    whole = Slices.of_stack(rigid(torch.zeros(n, 3, dtype=F64), places), (3, 4), SIZES[:2], SIZES[2])
    few = torch.cat([torch.arange(12) < k for k in pixels])
    return replace(whole, time=torch.tensor(time)).select(few)


def test_order_of_acquisition() -> None:
    assert order_of_acquisition(7, 3).tolist() == [0, 3, 6, 1, 4, 2, 5]
    assert order_of_acquisition(4, 1).tolist() == [0, 1, 2, 3]
    assert order_of_acquisition(2, 5).tolist() == [0, 1]
    one = replace(slices(4), time=torch.tensor([0, 3, 1, 5]))  # by time 0, 2, 1, 3, with gaps
    three, between = Slices.join([one, slices(3), replace(slices(3), time=torch.tensor([2, 1, 0]))]).successive()
    assert three.tolist() == [[0, 2, 1], [2, 1, 3], [9, 8, 7]]  # nothing across stacks, nothing where time is unknown
    torch.testing.assert_close(between, torch.tensor([1 / 3, 0.5, 0.5], dtype=F64))
    with pytest.raises(ValueError, match="times of shape \\(3,\\)"):
        replace(slices(4), time=torch.arange(3))


def test_uneven_motion() -> None:
    """Steady motion costs nothing; one slice off the line costs what its distance and the others' scatter say."""
    three, between = timed([0, 1, 3, 4, 5, 6, 7], [12] * 7).successive()
    steady = torch.tensor([0.0, 1, 3, 4, 5, 6, 7], dtype=F64)[:, None] * random(6)
    pixels = torch.full((7,), 12.0, dtype=F64)
    assert float(uneven_motion(steady, three, between, pixels)) < 1e-20
    off = steady.clone()
    off[6] += torch.tensor([0.3, 0, 0.4, 0, 0, 0])  # an end: 0.25 mm beside the line, for the slice before it
    squared = 0.25**2 / 0.02**2
    torch.testing.assert_close(
        uneven_motion(off, three, between, pixels), torch.tensor(STIFFNESS * ((1 + squared) ** 0.5 - 1), dtype=F64)
    )
    shaken = steady + 0.3 * random(7, 6, seed=3)
    e = shaken[three[:, 1]] - (1 - between)[:, None] * shaken[three[:, 0]] - between[:, None] * shaken[three[:, 2]]
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
    """A parabola for each slice's pixels, and the prior: few pixels follow, many stay where they say they are."""
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
        (0.5 * (precision * (operator.motion - asked).square()).sum() + len(operator) * prior).backward()
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


# --- closed forms -----------------------------------------------------------------------------------------------


def blob(covariance: Tensor, middle: Tensor):
    def field(x: Tensor) -> Tensor:
        d = x - middle
        return torch.exp(-0.5 * torch.einsum("...i,ij,...j->...", d, torch.linalg.inv(covariance), d))[..., None]

    return field


@pytest.mark.parametrize(("nodes", "error"), [((12, 12), 1e-9), (128, 3e-3), (32, 1e-2)])
def test_blob_through_a_gaussian_profile(nodes: Any, error: float) -> None:
    """Covariances add: exp(-½ x S⁻¹ x) -> √(det S / det(S + Σ)) exp(-½ x (S + Σ)⁻¹ x), Σ the profile's."""
    where = slices()
    root = random(3, 3, seed=3)
    s, middle = root @ root.mT + 4 * torch.eye(3, dtype=F64), torch.tensor([0.5, -1.0, 0.3], dtype=F64)
    seen = predict(SliceAcquisition(BOX, where, nodes=nodes), blob(s, middle))
    deviation = torch.tensor(SIZES, dtype=F64) * torch.tensor([SINC_FWHM * FWHM] * 2 + [FWHM], dtype=F64)
    expected = []
    for k, x in zip(where.index, where.centers(), strict=True):
        r = where.poses[k, :3, :3]
        both = s + r @ torch.diag(deviation**2) @ r.mT
        expected.append(torch.sqrt(torch.linalg.det(s) / torch.linalg.det(both)) * blob(both, middle)(x))
    expected = torch.cat(expected)
    assert float((seen - expected).abs().max() / expected.abs().max()) < error


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("profile", ["gaussian", "sinc", "rect"])
def test_a_ramp_stays_a_ramp(profile: str, training: bool) -> None:
    """Through any symmetric profile, by the fixed and by the random nodes (of positive weight)."""
    slope = torch.tensor([0.3, -2.0, 1.0], dtype=F64)
    where = two_stacks()
    draws = None if profile == "sinc" else 8
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
    seen = predict(SliceAcquisition(BOX, where, Separable(psf.Pixel(1e-9, 2), across), nodes=(1, 1)), field)
    layers = []
    for shift in (-0.5, 0.0, 0.5):
        step = where.poses @ rigid(torch.zeros(3, dtype=F64), torch.tensor([0, 0, shift * SIZES[2]], dtype=F64))
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
    expected = Sinc().transfer(k[:, :1]) * Sinc().transfer(k[:, 1:2]) * psf.Gaussian(FWHM, 1).transfer(k[:, 2:])
    torch.testing.assert_close(both.transfer(k), expected)
    offsets, weights = both.nodes(10)
    torch.testing.assert_close(
        torch.exp(-2j * math.pi * k.to(torch.complex128) @ offsets.mT.to(torch.complex128)) @ weights.to(expected),
        expected, atol=1e-4, rtol=0,
    )  # fmt: skip
    assert both.half_widths().tolist() == [2, 2, 5 * FWHM]


def test_gain_and_bias_are_factors() -> None:
    where = Slices.join([parallel(4, torch.zeros(3, dtype=F64)), parallel(4, random(3))])
    operator = SliceAcquisition(BOX, where, gain=True, bias=1)
    with torch.no_grad():
        operator.log_gain.copy_(torch.tensor([3.0, 0.0, 0.0, 3.0, 5.0, 5.0, 5.0, 5.0]))  # without trends
        operator.log_bias[0, 2] = 3.0  # the first of x, y, z that changes fastest along axis 0
    seen = predict(operator, lambda x: torch.ones_like(x[..., :1]))
    level = operator.log_gain.detach().double()
    gains = torch.exp(0.1 * (level - level[where.index].mean()))
    sign = torch.where(where.stack[where.index] == 0, 0.5, -0.5)  # what both stacks share is taken off
    ramp = torch.exp(0.3 * sign * where.centers()[:, 0] / 12)
    torch.testing.assert_close(seen, gains[where.index] * ramp, rtol=1e-6, atol=0)


def test_what_gain_and_bias_can_both_explain_is_not_left_open() -> None:
    """A factor of the volume along the first stack's normal, undone by its gains and all biases, cannot be told: so
    a trend of gains says nothing, and neither does the gain of a slice that was lost pull the others' trend."""
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
    torch.testing.assert_close(got[:3, 3], where.poses[0, :3, 3] + torch.tensor([0, 0, 2.0], dtype=F64))


def test_quadrature_on_a_brain() -> None:
    """32 nodes on MNI152, 1 x 1 x 3 mm slices anywhere in it: below 0.35 % of the root mean square."""
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


# --- the sampled volume, composition ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(24, 20, 18), (9, 7, 10)])
def test_the_matrix_of_a_sampled_volume(size: tuple[int, ...]) -> None:
    grid = Grid(BOX, size)
    operator = SliceAcquisition(BOX, two_stacks(), "sinc", nodes=8, gain=True)
    with torch.no_grad():
        operator.log_gain.copy_(random(5))
    image = random(*size, 1).float()
    pointwise = predict(operator, SampledField(image.double(), grid))
    on_grid = operator.on(grid)
    torch.testing.assert_close(predict(on_grid, SampledField(image, grid)), pointwise.float(), atol=1e-5, rtol=1e-4)
    two = random(*size, 2, seed=1).float()
    assert predict(on_grid, SampledField(two, grid)).shape == (len(operator), 2)
    mapped = as_linear_map(operator, grid, rows=torch.arange(7))
    torch.testing.assert_close(mapped(image), pointwise[:7].float(), atol=1e-5, rtol=1e-4)


def test_composition_with_a_warp_and_a_detector() -> None:
    where = slices()
    plain = SliceAcquisition(BOX, where)
    field = blob(9 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    shift = torch.tensor([1.0, 0.0, -2.0], dtype=F64)
    bent = Detector(torch.log1p) @ plain @ Warp(lambda x: x + shift)
    expected = torch.log1p(predict(plain, lambda x: field(x + shift)))
    torch.testing.assert_close(predict(bent, field), expected)


# --- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SliceAcquisition(Box((0, 0), (1, 1)), slices()), "slices are of a volume"),
        (lambda: SliceAcquisition(BOX, slices(), nodes=9), "nodes=9 must be even and at least 8"),
        (lambda: SliceAcquisition(BOX, slices(), draws=4), "draws=4 must be even"),
        (lambda: SliceAcquisition(BOX, slices(), nodes=(2, 2, 5)), "separable profile of 3 parts"),
        (lambda: SliceAcquisition(BOX, slices(), "triangle"), "unknown profile 'triangle'; known: gaussian"),
        (lambda: SliceAcquisition(BOX, slices(), psf.Gaussian(1.0)), "has 2 dimensions; a slice's has 3"),
        (lambda: SliceAcquisition(Box((90, 90, 90), (99, 99, 99)), slices()), "no pixel lies in the box"),
        (lambda: SliceAcquisition(BOX, slices(), bias=2), "needs two stacks"),
        (lambda: Slices.of_stack(torch.eye(4)[None] * 2, (2, 2), (1, 1), 3), "A scaled affine"),
        (lambda: Slices.of_stack(torch.eye(4)[None], (2, 2), (1, 1), 0), "thickness must be positive"),
        (lambda: Slices.of_stack(torch.eye(4)[None], (2, 2), (1, 1), 3).select(torch.zeros(4).bool()), "at least one"),
        (lambda: Sinc(-1.0), "width=-1.0 must be positive"),
    ],
    ids=range(12),
)
def test_refusals(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.gpu
def test_on_cuda() -> None:
    """The same numbers where the operator, its draws and its matrix live on a GPU."""
    where, field = two_stacks(), blob(9 * torch.eye(3, dtype=F64), torch.zeros(3, dtype=F64))
    operator = SliceAcquisition(BOX, where, nodes=8, draws=8, motion=True, gain=True, bias=1)
    expected = predict(operator, field)
    moved = SliceAcquisition(BOX, where, nodes=8, draws=8, motion=True, gain=True, bias=1).cuda()

    def there(x: Tensor) -> Tensor:
        assert x.is_cuda
        return field(x.cpu()).cuda()

    torch.testing.assert_close(predict(moved, there).cpu(), expected)
    assert predict(moved.train(), there).is_cuda
    assert moved.eval().on(Grid(BOX, (8, 7, 6))).map(torch.ones(8, 7, 6, device="cuda")).is_cuda
