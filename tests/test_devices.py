"""Devices by name; copies that leave the original where it is; constants that are sent once."""

import copy
from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

from inverse_inr import devices
from inverse_inr.kernels.sparse import SparseMatrix
from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import CUDA


def test_auto_takes_a_gpu_where_there_is_one():
    assert devices.chosen_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with FakeCuda():
        assert devices.chosen_device("auto") == CUDA
        assert devices.chosen_device("cuda") == CUDA
        assert devices.chosen_device("cuda:0") == CUDA
        assert devices.chosen_device(torch.device("cpu")) == torch.device("cpu")
        with pytest.raises(ValueError, match="numbered from 0 to 0"):
            devices.chosen_device("cuda:1")


@pytest.mark.parametrize("name", ["tpu", "gpu", "xpu", "cuda:x", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(ValueError, match=f"device='{name}' is unknown: take auto"):
        devices.chosen_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="finds no cuda device here"):
        devices.chosen_device("cuda:1")


@pytest.mark.parametrize(
    ("name", "dtype"), [("float64", torch.float64), (torch.bfloat16, torch.bfloat16)]
)
def test_precisions_by_name(name, dtype):
    assert devices.chosen_precision(name) == dtype


@pytest.mark.parametrize(
    ("name", "words"),
    [("float16", "Gradients underflow"), ("int8", "must be float32"), ("", "must be float32")],
)
def test_other_precisions_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        devices.chosen_precision(name)


class Part(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2), requires_grad=False)
        self.table = nn.Buffer(torch.arange(3), persistent=False)
        self.plain = torch.zeros(2)
        self.listed = {"a": [torch.ones(1)]}
        self.later = partial(torch.add, torch.ones(1))
        self.matrix = SparseMatrix(*(torch.tensor(v).numpy() for v in ([0], [1], [2.0])), (2, 2))
        self.own = self.double_of

    def double_of(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x + self.plain.sum()


@dataclass(frozen=True)
class Record:
    sigma: torch.Tensor
    name: str = "record"


def test_a_copy_holds_everything_on_the_device_and_the_original_nothing():
    part = Part()
    with FakeCuda():
        there = devices.moved(part, CUDA)
        assert devices.moved(there, CUDA) is there
        assert {t.device for t in devices._tensors(there, set())} == {CUDA}
        assert {t.device.type for t in devices._tensors(part, set())} == {"cpu"}
        assert not there.weight.requires_grad
        assert isinstance(there.weight, nn.Parameter)
        assert there.own.__self__ is there
        assert there.later(torch.ones(1, device="cuda")).device == CUDA
        assert there.matrix(torch.ones(2, device="cuda")).tolist() == [2.0, 0.0]
        assert part.matrix(torch.ones(2)).tolist() == [2.0, 0.0]
    assert devices.moved(part, torch.device("cpu")) is part


def test_what_is_shared_stays_shared():
    sigma = torch.ones(2)
    with FakeCuda():
        memo: dict = {}
        a, b = (devices.moved(r, CUDA, memo) for r in (Record(sigma), Record(sigma, "other")))
        assert a.sigma is b.sigma
        assert a.sigma.device == CUDA
        assert sigma.device.type == "cpu"


def test_a_constant_is_sent_once():
    with FakeCuda() as gpu:
        one = devices.constant((1.25, 2.5), torch.float64, CUDA)
        sent = gpu.count()
        assert devices.constant([1.25, 2.5], torch.float64, CUDA) is one
        assert gpu.count() == sent
    assert devices.constant((1.25, 2.5), torch.float64, torch.device("cpu")).tolist() == [1.25, 2.5]


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 4)])
def test_unravel_is_that_of_torch(shape):
    index = torch.arange(torch.Size(shape).numel()).flip(0)
    expected = torch.unravel_index(index, shape)
    assert all(
        torch.equal(a, b) for a, b in zip(devices.unravel(index, shape), expected, strict=True)
    )


def test_a_sparse_matrix_is_copied_pickled_and_moved_as_plain_buffers():
    import pickle

    matrix = SparseMatrix(*(torch.tensor(v).numpy() for v in ([0, 1], [1, 0], [2.0, 3.0])), (2, 2))
    x = torch.tensor([1.0, 10.0])
    assert all(b.layout == torch.strided for b in matrix.buffers())
    for other in (copy.deepcopy(matrix), pickle.loads(pickle.dumps(matrix)), matrix.double()):
        assert other(x.to(other.matrix_values.dtype)).tolist() == [20.0, 3.0]
