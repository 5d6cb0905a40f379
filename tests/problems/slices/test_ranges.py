"""Arguments of the slices' problems and operator out of range: refused by name before any work."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases.stack import BOX, at_rest

from inverse_inr.operators.slices.acquisition import SliceAcquisition
from inverse_inr.operators.slices.geometry import Slices, order_of_acquisition
from inverse_inr.problems.slices import Artefacts, Motion, Slicing, simulated_slices, slices
from inverse_inr.problems.slices.from_stacks import problem_of
from inverse_inr.problems.slices.stack_files import read_stack
from inverse_inr.problems.slices.stacks import Stack

NUMBER = "must be a number"
WHOLE = "must be a whole number"
PATH = ["none.nii"]


def acquisition(**options: Any) -> SliceAcquisition:
    plane = Slices.of_stack(torch.eye(4)[None], (4, 4), (1.0, 1.0), 3.0)
    return SliceAcquisition(BOX, plane, **options)


def stack(**options: Any) -> Stack:
    made = {"thickness": 1.0, "interleave": None} | options
    return Stack(torch.ones(2, 2, 2), torch.eye(4).double(), torch.ones(2, 2, 2) > 0, **made)


def fine(**options: Any) -> object:
    return problem_of(at_rest()[:1], **options)


BAD = [
    (slices, {"stacks": "a.nii"}, "stacks"),
    (slices, {"stacks": []}, "no stacks"),
    (slices, {"stacks": PATH, "resolution": 0}, NUMBER),
    (slices, {"stacks": PATH, "resolution": float("nan")}, NUMBER),
    (slices, {"stacks": PATH, "thickness": [-3.0]}, "thickness"),
    (slices, {"stacks": PATH, "thickness": "3"}, "thickness"),
    (slices, {"stacks": PATH, "interleave": [0]}, "interleave"),
    (slices, {"stacks": PATH, "slice_axis": 3}, "slice_axis"),
    (slices, {"stacks": PATH, "slice_axis": [0, 9]}, "slice_axis"),
    (slices, {"stacks": PATH, "volume": "every"}, "volume"),
    (slices, {"stacks": PATH, "bias": -1}, WHOLE),
    (slices, {"stacks": PATH, "noise": "student"}, "noise"),
    (slices, {"stacks": PATH, "profile": "gausian"}, "Did you mean 'gaussian'"),
    (slices, {"stacks": PATH, "motion": 1}, "motion"),
    (simulated_slices, {"resolution": -2.0}, NUMBER),
    (simulated_slices, {"seed": -1}, WHOLE),
    (simulated_slices, {"slicing": 3}, "slicing"),
    (read_stack, {"path": "none.nii", "thickness": 0.0}, "thickness"),
    (Slicing, {"pixel": 0.0}, "Slicing: pixel"),
    (Slicing, {"interleave": 1.5}, WHOLE),
    (Motion, {"degrees": float("inf")}, "Motion: degrees"),
    (Artefacts, {"outliers": -0.1}, "Artefacts: outliers"),
    (acquisition, {"nodes": 0}, WHOLE),
    (acquisition, {"nodes": 9}, "nodes=9 must be even"),
    (acquisition, {"draws": -8}, "draws"),
    (acquisition, {"bias": -2}, WHOLE),
    (acquisition, {"psf": "gausian"}, "gausian"),
    (order_of_acquisition, {"count": 5, "interleave": 0}, WHOLE),
    (stack, {"thickness": -1.0}, "Stack: thickness"),
    (stack, {"interleave": 0}, "Stack: interleave"),
    (fine, {"resolution": 1e-4}, "resolution=0.0001 mm in a box of .* memory"),
]


@pytest.mark.parametrize(
    ("make", "options", "message"), BAD, ids=[f"{f.__name__}: {o}" for f, o, _ in BAD]
)
def test_an_argument_out_of_range_is_refused_by_name_before_any_work(
    make: Callable[..., Any], options: dict[str, Any], message: str
):
    with pytest.raises((ValueError, TypeError, MemoryError), match=message) as caught:
        make(**options)
    assert type(caught.value).__module__.split(".")[0] in ("builtins", "inverse_inr")
