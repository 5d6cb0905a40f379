"""`Modulated`: one decoder for all, and a small code of each field that shifts or scales it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from inverse_inr import memory
from inverse_inr.domain import Box
from inverse_inr.families.adapted import Adapted
from inverse_inr.families.family import InnerSteps
from inverse_inr.families.fields import State, field_of
from inverse_inr.families.tasks import Task, losses
from inverse_inr.priors import Prior
from inverse_inr.priors.topologies import MLP, Layer, Linear
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.ranges import Count, Positive, Seed, checked


@dataclass(frozen=True, eq=False)
class Code:
    """One field of a modulated family: the numbers that change the shared decoder.

    Args:
        values: (code,) numbers.
        decoder: Fingerprint of the family that it belongs to.
        box: The box of the field.
    """

    values: Tensor
    decoder: str
    box: Box


class Modulated(Adapted):
    """A decoder that all fields share, and a code z of each, found in a few steps from zero.

    A shift is added to the pre-activations of each hidden layer, W h + b + M z. FiLM also scales
    them, (1 + S z)(W h + b) + M z. Both are the same network with other biases and weights, so that
    each field is an ordinary prior.

    Args:
        prior: A name of the catalogue whose network is an MLP.
        options: Options of the prior.
        code: Numbers in a code.
        by: "shift" or "film".
        inner_steps: Steps by which a code is found.
        inner_lr: Step size with which the training begins, for the loss without unit; None for the
            one whose first step reduces the loss of the first tasks most.

    Source:
        Dupont et al. 2022 (COIN++, arXiv:2201.12904), shifts; Perez et al. 2018, FiLM; Dupont et
        al. 2022 (functa, arXiv:2201.12204), learned step sizes of the code.
    """

    kind = "modulated"
    rates: ClassVar[Mapping[str, float]] = {"modulation": 1e-3, "step_sizes": 2e-2}

    @checked
    def __init__(
        self,
        prior: str = "siren",
        options: Mapping[str, Any] | None = None,
        *,
        code: Count = 64,
        by: Literal["shift", "film"] = "shift",
        inner_steps: InnerSteps = 3,
        inner_lr: Positive | None = None,
    ) -> None:
        super().__init__(prior, options)
        self.code_size = code
        self.by = by
        self.inner_steps = inner_steps
        self.inner_lr = inner_lr
        self.layers: dict[str, int] = {}

    def recipe(self) -> dict[str, Any]:
        return {
            "prior": self.prior,
            "options": self.options,
            "code": self.code_size,
            "by": self.by,
            "inner_steps": self.inner_steps,
            "inner_lr": self.inner_lr,
        }

    def _extend(self, template: Prior, generator: torch.Generator) -> Prior:
        self.layers = _hidden_layers(template)
        total = sum(self.layers.values()) * (2 if self.by == "film" else 1)
        memory.require(
            f"Modulated: code={self.code_size} for {total} modulations",
            8.0 * total * self.code_size,
            "A smaller code.",
        )
        maps = torch.randn(total, self.code_size, generator=generator) / math.sqrt(self.code_size)
        self.modulation = nn.Parameter(0.1 * maps)
        self.step_sizes = nn.Parameter(torch.ones(self.inner_steps, self.code_size))
        return template

    def states(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> State:
        return self.modulated(self.codes(tasks, learning=learning, steps=steps))

    def codes(self, tasks: Sequence[Task], *, learning: bool, steps: int | None = None) -> Tensor:
        """Find the codes of tasks by gradient descent from zero.

        Args:
            tasks: The tasks.
            learning: Whether gradients shall reach the decoder through the steps.
            steps: Number of steps; None for the family's own.

        Returns:
            (tasks, code).
        """
        z = self.modulation.new_zeros(len(tasks), self.code_size).requires_grad_()
        for k in range(self.steps_of(steps)):
            if not learning:
                z = z.detach().requires_grad_()
            with torch.enable_grad():
                total = losses(tasks, self.fields(tasks, self.modulated(z)), k).sum()
                (slope,) = torch.autograd.grad(total, [z], create_graph=learning)
            size = float(self.unit_step) * self.step_sizes[min(k, self.inner_steps - 1)]
            z = z - size * slope
        return z

    def modulated(self, codes: Tensor) -> State:
        """Turn codes into the parameters of each field.

        Args:
            codes: (fields, code).

        Returns:
            (fields, *shape) for each parameter that a code changes.
        """
        template = self.known
        own: State = {}
        parts = (codes @ self.modulation.T).split(
            list(self.layers.values()) * (2 if self.by == "film" else 1), -1
        )
        for k, name in enumerate(self.layers):
            bias = template.get_parameter(f"{name}.bias")
            if self.by == "film":
                scale = 1 + parts[len(self.layers) + k]
                weight = template.get_parameter(f"{name}.weight")
                own[f"{name}.weight"] = scale[..., None] * weight
                bias = scale * bias
            own[f"{name}.bias"] = bias + parts[k]
        return own

    # --- codes as values --------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """Compute the SHA-256 of the shared decoder, by which its codes know it."""
        digest = hashlib.sha256()
        for name, value in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @checked
    def code(self, problem: Problem, *, steps: InnerSteps | None = None, seed: Seed = 0) -> Code:
        """Find the code of a problem's field.

        Args:
            problem: The problem.
            steps: Steps; None for the family's own number.
            seed: Decides which rows a step sees, where it does not see all.

        Returns:
            The code, which `field` turns into a prior.
        """
        self.require_trained()
        tasks = self.tasks([problem], seed=seed)
        with evaluating(*(term.operator for term in tasks[0].terms)):
            found = self.codes(tasks, learning=False, steps=steps)
        return Code(found[0].detach(), self.fingerprint(), problem.box)

    @checked
    def field(self, code: Code) -> Prior:
        """Make the field of a code.

        Args:
            code: A code of this family, or one between two of them.

        Returns:
            An ordinary prior.

        Raises:
            ValueError: The code is of another family.
        """
        if code.decoder != self.fingerprint():
            raise ValueError(
                f"Modulated.field: this code belongs to the family {code.decoder[:12]}, and this "
                f"one is {self.fingerprint()[:12]}. Was it trained further since?"
            )
        state = self.modulated(code.values[None].to(self.modulation))
        return field_of(self.known, {n: v[0] for n, v in state.items()}, code.box)


def _hidden_layers(template: Prior) -> dict[str, int]:
    """Names of the linear maps of an MLP's hidden layers, and their widths."""
    network = template.network
    found: dict[str, int] = {}
    if isinstance(network, MLP):
        for k, layer in enumerate(network.layers):
            assert isinstance(layer, Layer)
            for j, linear in enumerate(layer.linears):
                if isinstance(linear, Linear):
                    found[f"network.layers.{k}.linears.{j}"] = len(linear.bias)
    if not found:
        raise ValueError(
            f"Modulated: the prior {template.name!r} has no hidden layers to modulate. "
            "Take one whose network is an MLP, e.g. 'siren'."
        )
    return found
