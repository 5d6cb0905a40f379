"""A field as bytes: within its size, exact, and refused where it is damaged."""

import hashlib
import subprocess
import sys

import pytest
import torch

from inverse_inr import Box, Grid, OnGrid, Problem, Solution, Term, priors, sample
from inverse_inr.codec import decode, decode_image, encode
from inverse_inr.codec.container import from_bytes
from inverse_inr.codec.quantizing import restored, rounded, sensitivity_codes, step_size
from inverse_inr.fidelity import L2
from inverse_inr.io.files import FileFormatError

BOX = Box((0.0, 0.0), (3.0, 2.0), units=("mm", "mm"))
GRID = Grid(BOX, (24, 16))


def same(image: torch.Tensor) -> torch.Tensor:
    return image


def solution(**options: object) -> Solution:
    """An untrained field as the solution of the raster that it is."""
    field = priors.siren(BOX, **{"width": 12, "depth": 2, "omega0": 5.0, **options})
    with torch.no_grad():
        y = sample(field, GRID).reshape(-1)
    term = Term(OnGrid(same, GRID, GRID.shape), y, L2())
    return Solution(field, Problem([term], BOX, GRID, average=1), "siren")


@pytest.fixture(scope="module")
def data() -> bytes:
    return encode(solution(), bits_per_sample=6.0, finish=0)


def test_step_sizes_are_powers_of_the_eighth_root_of_two() -> None:
    for code in (-37, -8, 0, 5, 16):
        assert step_size(code) == pytest.approx(2 ** (code / 8), rel=1e-15)


def test_the_size_is_kept_and_used(data) -> None:
    most = 6 * GRID.numel // 8
    assert 0.9 * most < len(data) <= most


def test_weights_are_those_that_were_rounded(data) -> None:
    """Each within half a step, and whole numbers of steps to the last bit."""
    field = solution().field
    codes = sensitivity_codes(field)
    state = dict(field.named_parameters())
    again = decode(data)
    for coarser in range(-80, 80):
        there = restored(rounded(state, codes, coarser), codes, coarser)
        if all(torch.equal(there[n], again.get_parameter(n)) for n in there):
            break
    else:
        raise AssertionError("no common step size gives these weights")
    for name, value in there.items():
        assert (value - state[name]).abs().max() <= 0.5001 * step_size(codes[name] + coarser)


def test_more_bits_are_nearer() -> None:
    made = solution()
    errors = []
    for bits in (4.0, 8.0, 12.0):
        image = decode_image(encode(made, bits_per_sample=bits, finish=0))
        errors.append(float((image.reshape(-1) - made.problem.terms[0].y).square().mean()))
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_sensitive_tensors_get_finer_steps() -> None:
    """At equal rate, steps by sensitivity err less than one step for all."""
    field = solution(width=16, depth=3).field
    state = dict(field.named_parameters())
    codes = sensitivity_codes(field)
    mean = sum(c * state[n].numel() for n, c in codes.items()) / sum(
        p.numel() for p in state.values()
    )
    truth = sample(field, GRID)

    def error(chosen: dict[str, int]) -> float:
        weights = restored(rounded(state, chosen, -72), chosen, -72)
        seen = torch.func.functional_call(field, weights, (GRID.points(),))
        return float((seen - truth).detach().square().mean())

    assert error(codes) < 0.8 * error(dict.fromkeys(codes, round(mean)))


def test_finishing_with_rounded_weights_helps() -> None:
    made = solution()
    y = made.problem.terms[0].y
    plain, finished = (
        decode_image(encode(made, bits_per_sample=4.0, finish=steps)).reshape(-1)
        for steps in (0, 40)
    )
    assert (finished - y).square().mean() < 0.8 * (plain - y).square().mean()


@pytest.mark.slow
def test_another_process_with_other_threads_decodes_the_same(data, tmp_path) -> None:
    path = tmp_path / "field.inr"
    path.write_bytes(data)
    code = (
        "import sys, hashlib, torch, pathlib; torch.set_num_threads(2);"
        "from inverse_inr.codec import decode;"
        f"field = decode(pathlib.Path({str(path)!r}).read_bytes());"
        "print(hashlib.sha256(b''.join(p.detach().numpy().tobytes() "
        "for p in field.parameters())).hexdigest())"
    )
    own = b"".join(p.detach().numpy().tobytes() for p in decode(data).parameters())
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(own).hexdigest()


def test_box_grid_and_channels_come_back(data) -> None:
    field, grid = from_bytes(data)
    assert grid == GRID
    assert field.box == BOX
    assert decode_image(data).shape == (24, 16, 1)


@pytest.mark.slow
def test_an_image_is_fitted_and_coded() -> None:
    x = torch.linspace(0, 3, 32)
    image = torch.stack([x[:, None].sin() * x.cos(), x[:, None] * x / 9], -1)
    data = encode(image, bits_per_sample=8.0, steps=300, finish=10)
    assert len(data) <= 32 * 32
    found = decode_image(data)
    assert found.shape == image.shape
    assert (found - image).square().mean() < 0.05 * image.var()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(300, 1), (9, 8, 7, 1), (4, 10, 9, 3)])
def test_sound_volumes_and_video_are_coded(shape) -> None:
    axes = [torch.linspace(0, 3, n) for n in shape[:-1]]
    mesh = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1)
    image = mesh.sum(-1).sin()[..., None].expand(shape).contiguous()
    data = encode(image, bits_per_sample=16.0, steps=200, finish=20)
    assert len(data) <= 16 * image[..., 0].numel() / 8
    found = decode_image(data)
    assert found.shape == image.shape
    assert (found - image).square().mean() < 0.1 * image.var()


@pytest.mark.slow
def test_a_long_tone_gets_a_network_of_its_frequency() -> None:
    """At the frequency of pictures, a SIREN leaves nearly all of it."""
    tone = torch.sin(0.3 * torch.arange(2000.0))[:, None]
    data = encode(tone, bits_per_sample=4.0, steps=160, finish=5)
    assert dict(decode(data).recipe.options)["omega0"] > 30
    assert (decode_image(data) - tone).square().mean() < 0.1


@pytest.mark.parametrize("where", [10, 60, -20, -3])
def test_an_altered_byte_is_noticed(data, where) -> None:
    changed = bytearray(data)
    changed[where] ^= 0x40
    with pytest.raises(FileFormatError, match="codec"):
        decode(bytes(changed))


@pytest.mark.parametrize("kept", [0, 3, 5, 40, 150])
def test_cut_bytes_are_refused(data, kept) -> None:
    with pytest.raises(FileFormatError, match="codec"):
        decode(data[:kept])


def test_what_cannot_be_coded_is_refused_by_name() -> None:
    made = solution()
    with pytest.raises(ValueError, match="do not hold this network"):
        encode(made, bits_per_sample=0.5)
    with pytest.raises(ValueError, match="are no network"):
        encode(torch.rand(8, 8, 1), bits_per_sample=0.1)
    with pytest.raises(ValueError, match="missing channel axis"):
        encode(torch.rand(8), bits_per_sample=8.0)
    made.field = priors.fourier(BOX, width=8, depth=1)
    with pytest.raises(ValueError, match="'fourier' has numbers of its own"):
        encode(made, bits_per_sample=8.0)
    made.field = lambda points: points[..., :1]
    with pytest.raises(TypeError, match="no prior of the catalogue"):
        encode(made, bits_per_sample=8.0)
