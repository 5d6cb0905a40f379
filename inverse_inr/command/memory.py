"""Peak memory of one optimizer step, on CPU and CUDA alike: the tensors that are alive at once."""

from __future__ import annotations

import gc
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from inverse_inr.precision import placement
from inverse_inr.solver import Solver


def step_memory(solver: Solver) -> int | None:
    """Run a solver's next step, and count the most bytes of tensors alive at once.

    The count holds the prior's parameters and buffers, their gradients and the optimizer's state as
    far as the step makes them, and all values on the way forward and back. It leaves out the
    measurements and the operator's own tables, which are the same for every prior, and Python and
    the libraries. The count is the allocator's own: on CUDA `torch.cuda.max_memory_allocated`, on
    the CPU the allocations that torch's profiler records. So, unlike the size of the process, it
    does not depend on what ran before. Profiling slows a step down.

    Args:
        solver: A solver made for this purpose alone.

    Returns:
        Bytes, or None where this build of torch records no allocations.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    gc.collect()  # what an earlier fit left would be freed in the middle
    device = placement(solver.prior)[1]
    tensors = [*solver.prior.parameters(), *solver.prior.buffers()]
    own = sum(t.numel() * t.element_size() for t in tensors)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        _one_step(solver)
        return own + torch.cuda.max_memory_allocated(device) - before
    if not torch.profiler.kineto_available():
        return None
    with tempfile.TemporaryDirectory() as folder, _quiet():
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=False
        ) as profile:
            _one_step(solver)
        trace = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(trace))
        peak = _peak(json.loads(trace.read_text()))
    if peak is None:
        return None
    return own + peak


def _one_step(solver: Solver) -> None:
    solver.run(1)
    if solver.stopped is not None and solver.stopped.kind == "interrupted":
        raise KeyboardInterrupt


def _peak(trace: dict) -> int | None:
    """The largest sum, over a profile's events, of what was allocated less what was freed."""
    events = [
        e
        for e in trace["traceEvents"]
        if e.get("name") == "[memory]" and e["args"].get("Device Type") == 0
    ]
    if not events:
        return None
    total = peak = 0
    # the sort is stable: events of one moment keep their order
    for event in sorted(events, key=lambda e: e["ts"]):
        total += event["args"]["Bytes"]
        peak = max(peak, total)
    return peak


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the profiler of torch 2.13 from saying on stderr that it began and ended."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ["KINETO_LOG_LEVEL"] = "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ["KINETO_LOG_LEVEL"]
        else:
            os.environ["KINETO_LOG_LEVEL"] = before
