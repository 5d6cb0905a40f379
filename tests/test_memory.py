"""What does not fit the memory at hand is refused before it is allocated, with what would fit."""

from pathlib import Path

import numpy as np
import pytest
import torch

import inverse_inr as ii
from inverse_inr import memory, priors
from inverse_inr.compose import as_linear_map
from inverse_inr.protocol import all_rows

GIB = 2**30


@pytest.fixture
def little(monkeypatch):
    """A machine with 1 GiB to give."""
    monkeypatch.setattr(memory, "_machine", lambda: GIB)
    monkeypatch.setattr(memory, "_control_groups", lambda: 4 * GIB)


def test_the_least_limit_counts(little):
    assert memory.available() == GIB


def test_a_machine_says_what_it_can_give():
    assert 2**20 < memory.available() < 2**60


def test_what_fits_is_not_refused(little):
    memory.require("a table", 0.9 * GIB)


def test_a_refusal_names_thing_size_and_what_would_fit(little):
    with pytest.raises(MemoryError, match=r"a table needs 2 GiB of memory; 1 GiB are free. Take 7"):
        memory.require("a table", 2 * GIB, lambda there: f"Take {7 * there // GIB}.")


def test_a_refusal_is_a_value_error_too(little):
    with pytest.raises(ValueError, match="a table"):
        memory.require("a table", 2 * GIB)


def test_available_memory_is_read_from_meminfo(tmp_path: Path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    assert memory.available() == 2048 * 1024


def _limits(root: Path, **values: object) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        (root / name.replace("__", ".")).write_text(f"{value}\n")


def test_a_limit_of_control_groups_2_counts_what_is_left_of_it(tmp_path: Path, monkeypatch):
    _limits(tmp_path / "self", cgroup="0::/user/job")
    _limits(tmp_path / "groups", memory__max=9 * GIB, memory__current=GIB)
    _limits(tmp_path / "groups/user", memory__max="max", memory__current=GIB)
    _limits(tmp_path / "groups/user/job", memory__max=3 * GIB, memory__current=2 * GIB)
    _limits(tmp_path / "groups/user/job", memory__stat=f"anon 5\ninactive_file {GIB // 2}")
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "groups")
    assert memory._control_groups() == 1.5 * GIB


def test_a_limit_of_control_groups_1_counts_where_the_container_shows_its_own(
    tmp_path: Path, monkeypatch
):
    _limits(tmp_path / "self", cgroup="3:cpu,cpuacct:/box\n4:memory:/docker/not-shown-inside")
    _limits(tmp_path / "groups/memory", memory__limit_in_bytes=GIB, memory__usage_in_bytes=GIB // 4)
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "groups")
    assert memory._control_groups() == 0.75 * GIB


def test_a_group_without_limit_limits_nothing(tmp_path: Path, monkeypatch):
    _limits(tmp_path / "self", cgroup="4:memory:/")
    _limits(
        tmp_path / "groups/memory", memory__limit_in_bytes=2**63 - 4096, memory__usage_in_bytes=5
    )
    monkeypatch.setattr(memory, "PROCESS", tmp_path)
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path / "groups")
    assert memory._control_groups() > 2**60


SQUARE = ii.Box((0.0, 0.0), (1.0, 1.0))
HUGE = ii.Grid(SQUARE, (10**6, 10**6))


class ManyRows:
    """Pretends to `rows` measurements of `samples` points each, and counts what it is asked."""

    def __init__(self, rows: int, samples: int) -> None:
        self.rows = rows
        self.samples = samples
        self.most = 0

    def __len__(self) -> int:
        return self.rows

    def __call__(self, rows):
        self.most = max(self.most, len(rows))
        return torch.zeros(len(rows), self.samples, 2), lambda values: values[..., 0].mean(-1)


REQUESTS = {
    "points of a grid": (lambda: HUGE.points(), r"points of \(1000000, 1000000\).*would fit"),
    "axes of a grid": (lambda: ii.Grid(ii.Box((0,), (1,)), (10**12,)).axes(), "axes"),
    "a refined grid": (lambda: ii.Grid(SQUARE, (9, 9)).refined(10**5).points(), "points of"),
    "random points": (lambda: SQUARE.random_points(10**12), r"count=1000000000000.*at most"),
    "an image": (lambda: ii.sample(lambda p: p, HUGE), r"an image of .*would fit"),
    "sub-samples": (
        lambda: ii.sample(lambda p: p, ii.Grid(SQUARE, (2, 2)), average=10**6),
        "average=1000000 sub-samples .* Take [0-9]+ at most",
    ),
    "interpolation": (
        lambda: ii.interpolation_matrix(HUGE, torch.zeros(1, 2).expand(10**9, 2)),
        "weights of 1000000000 points.*would fit",
    ),
    "a linear map": (
        lambda: as_linear_map(ManyRows(3, 1), ii.Grid(SQUARE, (20000, 20000))),
        "weights of 3 points on",
    ),
    "indices of all rows": (lambda: all_rows(ManyRows(10**12, 1)), "ManyRows: indices of"),
    "points of all rows": (
        lambda: ii.predict(ManyRows(10**6, 10**4), lambda p: p),
        "ManyRows: the points of 1000000 rows.*rows at once",
    ),
    "a table of a prior": (lambda: priors.siren(SQUARE, width=10**6), "siren.*width=1000000"),
    "a table beyond numbers": (lambda: priors.siren(SQUARE, width=10**30), "siren.*larger than"),
}


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS)
def test_what_does_not_fit_is_refused_before_it_is_allocated(little, request_of):
    ask, message = request_of
    with pytest.raises(memory.OutOfMemoryError, match=message):
        ask()


def test_many_rows_are_measured_by_one_of_them(little):
    operator = ManyRows(10**6, 10**4)
    with pytest.raises(memory.OutOfMemoryError):
        ii.predict(operator, lambda points: points)
    assert operator.most == 1


def test_tables_of_a_prior_count_together(little):
    with memory.Guarded("net", "Less.") as guard:
        for _ in range(4):
            torch.zeros(2**26)  # 256 MiB each: only the sum of five is too large
        with pytest.raises(MemoryError, match=r"net needs 1.25 GiB .* Less"):
            torch.zeros(2**26)
    assert guard.made == 5 * 2**28


def test_a_guard_changes_no_numbers():
    box = ii.Box((0.0,), (1.0,))
    with memory.Guarded("net"):
        drawn = torch.rand(3, generator=torch.Generator().manual_seed(1))
    np.testing.assert_array_equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(1)))
    assert priors.siren(box, width=8).parameter_count > 0


def test_an_allocator_without_memory_is_told_from_other_errors():
    cpu = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
    assert memory.allocation_failed(RuntimeError(cpu))
    assert memory.allocation_failed(torch.OutOfMemoryError("CUDA out of memory."))
    assert not memory.allocation_failed(RuntimeError("shapes do not fit"))
    assert not memory.allocation_failed(ValueError("out of memory"))
