"""What solving returns, for a prior and for a classical baseline alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from inverse_inr.compose import OnGrid
from inverse_inr.domain import Box, Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.hooks import HasGridMap
from inverse_inr.io.files import atomic_write
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating
from inverse_inr.sampled import SampledField


@dataclass(frozen=True)
class Ended:
    """How a run ended: `kind` is for programs, `text` for people, and is what str() gives.

    done         all steps are done
    paused       the caller asked for fewer steps, or has not run it to the end yet
    interrupted  Ctrl-C; it can be resumed
    satisfied    the stopping rule was content
    non-finite   NaN or Inf turned up; the last good state was kept
    direct       no rule watched its steps: a classical or trained method, and what decided its parameter
    """

    kind: Literal["done", "paused", "interrupted", "satisfied", "non-finite", "direct"]
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass
class Solution:
    """A reconstructed `field`, how it was found, and how well it fits. `watched` are rows that the fit never saw."""

    field: Field
    problem: Problem
    method: str
    history: list[dict[str, Any]] = dataclass_field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    stopped: Ended = Ended("done", "")
    best_step: int = 0
    watched: list[Tensor] = dataclass_field(default_factory=list)
    learnt: dict[str, Tensor] = dataclass_field(default_factory=dict)
    details: dict[str, Any] = dataclass_field(default_factory=dict)

    @torch.no_grad()
    def sample(
        self, grid: Grid | None = None, *, average: int = 1, chunk: int | None = None
    ) -> Tensor:
        """The field on `grid` (default: the problem's): (*shape, channels). A pixel image is its own average."""
        if isinstance(self.field, SampledField) and grid in (None, self.field.grid):
            return self.field.values
        return sample(
            self.field, self.problem.grid if grid is None else grid, average=average, chunk=chunk
        )

    @torch.no_grad()
    def held_out(self) -> float | None:
        """Mean fidelity on the rows that the fit never saw; None where it saw all."""
        if not self.watched or not all(len(r) for r in self.watched):
            return None
        return self.misfit(self.watched)

    @torch.no_grad()
    def misfit(self, rows: Sequence[Tensor]) -> float:
        """Σ weight · mean fidelity over `rows` of each term; a pixel image is measured as its own method saw it."""
        total = 0.0
        for term, chosen in zip(self.problem.terms, rows, strict=True):
            if isinstance(self.field, SampledField) and isinstance(term.operator, HasGridMap):
                term = replace(term, operator=term.operator.on(self.field.grid))
            with evaluating(term.operator):
                total += term.weight * float(term.loss(self.field, chosen))
        return total

    @property
    def is_raster(self) -> bool:
        """The measurements saw pixels, not points in between: the raster is the image."""
        return all(isinstance(t.operator, OnGrid) for t in self.problem.terms)

    def metrics(
        self,
        reference: Field | None = None,
        *,
        grid: Grid | None = None,
        average: int | None = None,
    ) -> dict[str, float]:
        """PSNR, SSIM and relative error against `reference` (default: the problem's), both as pixel averages.

        `average` sub-samples an axis (default: the problem's). SSIM is given in 2-D and 3-D where its window fits. Fits
        of whole-grid operators are compared as the raster that the operator saw, complex fields by their moduli. The
        data range is the reference's own span. Raises ValueError where there is no reference.
        """
        from inverse_inr import metrics

        reference = self.problem.reference if reference is None else reference
        average = self.problem.average if average is None else average
        if reference is None:
            raise ValueError("Solution.metrics: the problem has no reference; pass one.")
        truth = metrics.modulus(
            sample(reference, self.problem.grid if grid is None else grid, average=average)
        )
        image = metrics.modulus(self.sample(grid, average=1 if self.is_raster else average))
        span = float(truth.max() - truth.min())
        space = truth.shape[:-1]
        fits = len(space) in (2, 3) and min(space) >= metrics.WINDOW
        return {
            "PSNR": metrics.psnr(image, truth, data_range=span),
            **(
                {"SSIM": metrics.ssim(image, truth, data_range=span, ndim=len(space))}
                if fits
                else {}
            ),
            "relative error": metrics.relative_error(image, truth),
        }

    def summary(self) -> dict[str, Any]:
        """One row of a comparison table."""
        row: dict[str, Any] = {
            "method": self.method,
            "seconds": self.seconds,
            "held-out": self.held_out(),
        }
        return row | (self.metrics() if self.problem.reference is not None else {})

    def report(self) -> str:
        """A few plain lines: what was done, why it ended, how well it fits."""
        lines = [f"{self.method}: {self.steps} steps in {self.seconds:.1f} s; {self.stopped}"]
        if isinstance(self.field, nn.Module):
            count = sum(p.numel() for p in self.field.parameters())
            lines.append(f"parameters {count}, state of step {self.best_step} kept")
        lines += [
            f"{k}: {v:.4g}"
            for k, v in self.summary().items()
            if isinstance(v, float) and k != "seconds"
        ]
        lines += [
            f"learnt {name} = {value.tolist()}"
            for name, value in self.learnt.items()
            if value.numel() < 4
        ]
        lines += [f"{k}: {v}" for k, v in self.details.items()]
        return "\n".join(lines)

    def save(self, folder: str | Path) -> Path:
        """Write image.npz (NIfTI too where the grid has an affine), field.safetensors and history.json."""
        from inverse_inr.io import write_image
        from inverse_inr.metrics import modulus

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        image = self.sample()
        write_image(folder / "image.npz", image, self.problem.grid)
        if self.problem.grid.affine is not None:
            write_image(folder / "image.nii.gz", modulus(image), self.problem.grid)
        if isinstance(self.field, nn.Module):
            save_field(self.field, folder / "field.safetensors")
        record = {
            "method": self.method,
            "steps": self.steps,
            "seconds": self.seconds,
            "stopped": str(self.stopped),
            "ended": self.stopped.kind,
            "best_step": self.best_step,
            "summary": self.summary(),
            "details": self.details,
            "learnt": {k: v.tolist() for k, v in self.learnt.items()},
            "history": self.history,
        }
        with atomic_write(folder / "history.json") as temporary:
            Path(temporary).write_text(json.dumps(record, indent=1, default=_plain))
        return folder


def save_field(field: nn.Module, path: str | Path) -> None:
    """Weights as safetensors; a catalogue prior carries its recipe and box, so `load_field` needs nothing else."""
    from safetensors.torch import save_file

    from inverse_inr.priors import Prior

    metadata = {}
    if isinstance(field, Prior):
        box = {"lower": field.box.lower, "upper": field.box.upper, "units": field.box.units}
        metadata = {
            "name": field.recipe.name,
            "options": json.dumps(field.recipe.options),
            "box": json.dumps(box),
        }
    with atomic_write(path) as temporary:
        save_file(
            {k: v.contiguous() for k, v in field.state_dict().items()}, temporary, metadata=metadata
        )


def load_field(path: str | Path) -> nn.Module:
    """The catalogue prior that `save_field` wrote. Raises ValueError for another kind of file."""
    from safetensors import SafetensorError, safe_open

    from inverse_inr.priors import create

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is no complete safetensors file: {error}.") from None
    if "options" not in metadata:
        raise ValueError(
            f"{path} holds weights but not the recipe of a catalogue prior; load them by hand."
        )
    box = Box(**{k: tuple(v) for k, v in json.loads(metadata["box"]).items()})
    prior = create(metadata["name"], box, **json.loads(metadata["options"]))
    prior.load_state_dict(state)
    return prior.eval()


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic | Tensor) else str(value)
