"""The make-believe device finds what it must, one planted fault of each class, and nothing else."""

import pytest
import torch
from torch import nn

from inverse_inr.testing import FakeCuda
from inverse_inr.testing.fake_cuda import (
    ATOMIC,
    CUDA,
    PAGEABLE,
    PINNED,
    SYNC,
    DeviceError,
)

TABLE = torch.arange(6.0).reshape(3, 2)
ROWS = torch.tensor([0, 2])


def mixed_sum(x: torch.Tensor) -> torch.Tensor:
    return x + torch.ones(3, 2)


def left_behind(x: torch.Tensor) -> torch.Tensor:
    layer = nn.Linear(2, 2)
    layer.to("cuda")
    layer.bias.data = torch.zeros(2)  # a buffer that nobody moved
    return layer(x)


def index_of_the_host(x: torch.Tensor) -> torch.Tensor:
    return x.index_select(0, ROWS)


def index_of_the_device(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(3)[torch.zeros(2, dtype=torch.int64, device=x.device)]


def generator_of_the_host(x: torch.Tensor) -> torch.Tensor:
    return torch.rand(3, device=x.device, generator=torch.Generator())


def in_backward(x: torch.Tensor) -> torch.Tensor:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return 2 * value

        @staticmethod
        def backward(ctx, grad):
            return grad * torch.full((3, 2), 2.0)

    y = x.clone().requires_grad_()
    Wrong.apply(y).sum().backward()
    return y


@pytest.mark.parametrize(
    "fault",
    [
        mixed_sum,
        left_behind,
        index_of_the_host,
        index_of_the_device,
        generator_of_the_host,
        in_backward,
    ],
)
def test_what_cuda_refuses_raises(fault):
    with FakeCuda(), pytest.raises(DeviceError, match=r"test_fake_cuda\.py"):
        fault(TABLE.to("cuda"))


@pytest.mark.parametrize("read", [torch.Tensor.numpy, lambda x: x.__array__()])
def test_numpy_of_a_tensor_on_the_device_raises(read):
    with FakeCuda():
        with pytest.raises(TypeError, match="can't convert cuda:0"):
            read(TABLE.to("cuda"))
        assert read(TABLE.to("cuda").cpu()).shape == (3, 2)


COSTS = {
    "item": (SYNC, lambda x: x.sum().item()),
    "float": (SYNC, lambda x: float(x[0, 0])),
    "truth": (SYNC, lambda x: bool((x > 0).any())),
    "tolist": (SYNC, lambda x: x.tolist()),
    "mask": (SYNC, lambda x: x[x > 1]),
    "nonzero": (SYNC, lambda x: x.nonzero()),
    "to the host": (SYNC, lambda x: x.cpu()),
    "copy to the host": (SYNC, lambda x: torch.zeros(3, 2).copy_(x)),
    "to the device": (PAGEABLE, lambda x: TABLE.to(x.device)),
    "number": (PAGEABLE, lambda x: torch.tensor(3.0, device=x.device)),
    "list": (PAGEABLE, lambda x: x.new_tensor([1.0, 2.0])),
    "copy to the device": (PAGEABLE, lambda x: x.copy_(torch.ones(3, 2))),
    "index": (PAGEABLE, lambda x: x[ROWS]),
    "unravelled": (PAGEABLE, lambda x: torch.unravel_index(x[0].long(), (2, 3))),
    "pinned": (PINNED, lambda x: TABLE.pin_memory().to(x.device, non_blocking=True)),
    "sum by index": (ATOMIC, lambda x: x.index_add(0, x[:, 0].long() // 2, x)),
}


@pytest.mark.parametrize("name", COSTS)
def test_what_waits_is_counted(name):
    kind, cost = COSTS[name]
    with FakeCuda() as gpu:
        x = TABLE.to("cuda")
        gpu.log.clear()
        cost(x)
        assert gpu.count(kind) >= 1
        assert gpu.count() == gpu.count(kind)
        assert all("test_fake_cuda.py" in event.where for event in gpu.log)


def test_what_stays_on_the_device_costs_nothing():
    with FakeCuda() as gpu:
        x = TABLE.to("cuda")
        gpu.log.clear()
        y = torch.zeros(3, 2, device="cuda").fill_(2.0) * x + 1.5
        y = torch.where(y > 1, y, torch.full((), 0.5, device=x.device)).sum(0)
        y = y + torch.rand(2, device=x.device) * torch.tensor(2.0)  # a number of the host
        z = torch.cat([y, torch.arange(2, device=x.device)]).sort().values
        assert z.device == CUDA
        assert z.is_cuda
        assert not gpu.waits()


def test_values_and_gradients_are_real():
    layer = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    x = TABLE.double().requires_grad_()
    (expected,) = torch.autograd.grad(layer(x).square().sum(), x)
    with FakeCuda():
        there = layer.to("cuda")(x.to("cuda"))
        (found,) = torch.autograd.grad(there.square().sum(), x)
        assert there.device == CUDA
        assert found.device.type == "cpu"  # x is on the host, and so is its gradient
    assert torch.equal(found, expected)


def test_outside_the_block_there_is_no_device():
    with FakeCuda():
        x = TABLE.to("cuda")
        assert torch.cuda.is_available()
    assert x.device.type == "cpu"
    assert not torch.cuda.is_available()
    assert x.numpy().shape == (3, 2)
