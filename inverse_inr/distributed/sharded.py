"""A fit's parameters divided between processes, by torch's FSDP2 (`fully_shard`).

Each process keeps 1/n of every parameter, of its gradient, of Adam's two means and of the best
state. A step collects the parameters before it asks the objective and sums up gradients after it,
so that the whole field and the whole gradient exist during the step alone.

Every parameter is held as a flat list of real numbers. So it divides whatever its shape is, and
the objective, which never learns of it, gets views of the collected lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard

from inverse_inr.distributed.flats import Flats, flattened, local, shaped
from inverse_inr.distributed.ranks import Ranks
from inverse_inr.distributed.shares import length
from inverse_inr.distributed.whole import State, Whole

PRESENT, KEPT, OPTIMIZER = range(3)
"""What the first process may ask the others for, while it alone does something."""


class Sharded(Whole):
    """The parameters of a fit, a part of each in every process.

    Args:
        objective: The loss as a module. Outside of `stepping` and `together` its parameters are
            NaN and take no memory.
        optimizer: The optimizer of its parameters, a `Several`, before its first step. From then on
            it moves this process's parts.
        ranks: The processes that share the fit.
        group: The same processes, for messages of FSDP alone.

    Raises:
        ValueError: Nothing learns, or parameters differ in precision.
    """

    is_divided = True

    def __init__(
        self, objective: nn.Module, optimizer: Any, ranks: Ranks, group: dist.ProcessGroup
    ) -> None:
        self.objective = objective
        self.ranks = ranks
        self._own = [p for p in objective.parameters() if p.requires_grad]
        kinds = sorted({str(p.dtype.to_real()).removeprefix("torch.") for p in self._own})
        if len(kinds) != 1:
            found = " and ".join(kinds) or "no parameter that learns"
            raise ValueError(f"sharded=True takes parameters of one precision, got {found}.")
        known = {id(p): k for k, p in enumerate(self._own)}
        live = objective.state_dict(keep_vars=True)
        self._learnt = {name: known[id(v)] for name, v in live.items() if id(v) in known}
        self._places: list[list[tuple[nn.Module, str]]] = [[] for _ in self._own]
        for module in objective.modules():
            for name, p in module._parameters.items():
                if id(p) in known:
                    self._places[known[id(p)]].append((module, name))
        self._mesh = DeviceMesh.from_group(group, self._own[0].device.type)
        self._flats = Flats(self._own, self._evaluated, ranks)
        fully_shard(self._flats, mesh=self._mesh, reshard_after_forward=False)
        self.evaluate = self._flats
        self.parameters = list(self._flats.parameters())
        for own in self._own:
            own.data = own.data.new_full((), float("nan")).expand(own.shape)
        parts: dict[int, Tensor] = dict(zip(known, self.parameters, strict=True))
        for one in optimizer.optimizers:
            for moved in one.param_groups:
                moved["params"] = [parts.get(id(p), p) for p in moved["params"]]
        self._optimizer = optimizer
        self._kept: State | None = None
        self._leads = False

    # --- all parameters in their places -----------------------------------------------------------

    @contextmanager
    def stepping(self) -> Iterator[None]:
        """Make the block one step: the objective has all its parameters till its gradient."""
        self._flats.unshard()  # pyright: ignore[reportCallIssue]
        self.place()
        try:
            yield
        finally:
            for own, places in zip(self._own, self._places, strict=True):
                for module, name in places:
                    module._parameters[name] = own
            self._flats.reshard()  # pyright: ignore[reportCallIssue]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let the block, which all processes enter, evaluate the prior and the operators."""
        with self.stepping():
            yield

    def place(self) -> None:
        """Give the objective views of the collected parameters."""
        collected = list(self._flats.parameters())
        for own, flat, places in zip(self._own, collected, self._places, strict=True):
            value: Any = shaped(flat, own)
            for module, name in places:
                module._parameters[name] = value
        self._versions = [flat._version for flat in collected]

    def _evaluated(self, rows: Sequence[Tensor], points: Tensor) -> Tensor:
        self.place()
        return self.objective(rows, points)

    @torch.no_grad()
    def settle(self) -> None:
        """Keep what was written into the parameters since the block of a step began."""
        collected = list(self._flats.parameters())
        if [flat._version for flat in collected] == self._versions:
            return
        for flat, part in zip(collected, self.parameters, strict=True):
            local(part).copy_(self._cut(flat.detach()))

    # --- states -----------------------------------------------------------------------------------

    def kept(self) -> State:
        """Copy this process's part of the present state."""
        self._kept = {
            name: v.detach().clone() for name, v in self._present(self.objective.state_dict())
        }
        return self._kept

    def full(self, state: State | None) -> State | None:
        """Collect a kept state in all processes; in the first alone, if it leads.

        Args:
            state: What `kept` or `part` gave last, or None, which stays so.
        """
        if state is None:
            return None
        self._ask(KEPT)
        return dict(self._collected(state.items()))

    def readable(self, state: State | None) -> State | None:
        """Do as `full`; for None, collect the present state."""
        if state is None:
            return self.present()
        return self.full(state)

    def present(self) -> State:
        """Collect the present state, as `full` does."""
        self._ask(PRESENT)
        return dict(self._collected(self._present(self.objective.state_dict())))

    def copied(self) -> State:
        """Collect the present state; the tensors are not those of the objective."""
        found = self.present()
        return {n: v if n in self._learnt else v.clone() for n, v in found.items()}

    def part(self, state: State | None) -> State | None:
        """Take this process's part of a whole state.

        Args:
            state: Tensors by their names in the objective, or None, which stays so.
        """
        if state is None:
            return None
        device = self._own[0].device
        self._kept = {
            name: self._divided(v) if name in self._learnt else v.to(device)
            for name, v in state.items()
        }
        return self._kept

    def load(self, state: State) -> None:
        """Let a whole state be the present one.

        Args:
            state: Tensors by their names in the objective.

        Raises:
            ValueError: It is of another objective.
        """
        with self.stepping():
            self.objective.load_state_dict(state)
            self.settle()

    def optimizer_state(self, optimizer: Any) -> list[dict[str, Any]]:
        """Collect the whole state of the optimizer, on the CPU.

        Args:
            optimizer: The optimizer, as `adopt` changed it.
        """
        self._ask(OPTIMIZER)
        found = []
        for one, owners in self._each(optimizer):
            saved = one.state_dict()
            values = saved["state"]
            whole = {
                k: {key: self._whole(v, owners[k]).cpu() for key, v in values[k].items()}
                for k in values
            }
            found.append({**saved, "state": whole})
        return found

    def load_optimizer(self, optimizer: Any, states: Any) -> None:
        """Restore the optimizer.

        Args:
            optimizer: The optimizer, as `adopt` changed it.
            states: What `optimizer_state` gave, in whatever number of processes.
        """
        for (one, _), saved in zip(self._each(optimizer), states, strict=True):
            parts = {
                k: {key: v if key == "step" else self._divided(v) for key, v in values.items()}
                for k, values in saved["state"].items()
            }
            one.load_state_dict({**saved, "state": parts})

    def not_finite(self) -> list[str]:
        """List the names of parameters that hold NaN or Inf in one of the processes."""
        bad = [not bool(torch.isfinite(local(part)).all()) for part in self.parameters]
        anywhere = self.ranks.anywhere(bad)
        return [name for name, k in self._learnt.items() if anywhere[k]]

    # --- what the first process asks for ----------------------------------------------------------

    @contextmanager
    def led(self) -> Iterator[None]:
        """Let the first process alone do something in the block; the others give what it asks."""
        self._leads = self.ranks.first
        try:
            yield
        finally:
            self._leads = False
        asked = self.ranks.anywhere([False] * 3)
        while not self.ranks.first and any(asked):
            if asked[OPTIMIZER]:
                self.optimizer_state(self._optimizer)
            elif asked[KEPT]:
                assert self._kept is not None
                self.full(self._kept)
            else:
                self.present()
            asked = self.ranks.anywhere([False] * 3)

    def _ask(self, what: int) -> None:
        if self._leads:
            self.ranks.anywhere([k == what for k in range(3)])

    # --- parts ------------------------------------------------------------------------------------

    def _present(self, live: State) -> Iterator[tuple[str, Tensor]]:
        for name, value in live.items():
            yield name, self.parameters[self._learnt[name]] if name in self._learnt else value

    def _collected(self, state: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        for name, value in state:
            if name in self._learnt:
                yield name, self._whole(value, self._own[self._learnt[name]])
            else:
                yield name, value

    def _each(self, optimizer: Any) -> Iterator[tuple[Any, list[Tensor]]]:
        """Torch's optimizers, with the objective's parameters in the order of their states."""
        owner: dict[int, Tensor] = dict(zip(map(id, self.parameters), self._own, strict=True))
        for one in optimizer.optimizers:
            params: list[Tensor] = [p for group in one.param_groups for p in group["params"]]
            yield one, [owner.get(id(p), p) for p in params]

    @torch.no_grad()
    def _whole(self, value: Tensor, own: Tensor) -> Tensor:
        if isinstance(value, DTensor):
            return shaped(value.full_tensor(), own)
        return value

    def _divided(self, value: Tensor) -> Tensor:
        """This process's part of a whole tensor, as FSDP divides it."""
        flat = flattened(value.to(self._own[0].device))
        part = self._cut(flat).clone()
        return DTensor.from_local(
            part, self._mesh, [Shard(0)], run_check=False, shape=flat.shape, stride=(1,)
        )

    def _cut(self, flat: Tensor) -> Tensor:
        size = length(len(flat), self.ranks.world)
        return flat[self.ranks.rank * size :][:size]
