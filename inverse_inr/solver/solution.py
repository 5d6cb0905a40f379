"""Solutions: the results of a fit and of a classical baseline alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inverse_inr.compose import OnGrid, on_grid
from inverse_inr.devices import chosen_device
from inverse_inr.domain import Grid
from inverse_inr.evaluation import Field, sample
from inverse_inr.io.files import PathLike
from inverse_inr.on_cpu import field_moved
from inverse_inr.problem import Problem
from inverse_inr.protocol import evaluating, predict
from inverse_inr.sampled import SampledField
from inverse_inr.solver.ended import Ended


@dataclass
class Solution:
    """A reconstructed field, how it was found, and how well it fits.

    Args:
        field: The reconstruction.
        problem: The problem that was solved, with what its operators and fidelities learnt.
        method: The name of the prior or of the classical method, for tables and figures.
        history: One record per check of the stopping rule.
        seconds: The time it took, in seconds.
        steps: The number of steps done.
        stopped: How the run ended.
        best_step: The step whose state was kept.
        watched: For each term, the indices of rows that the fit never saw.
        learnt: The parameters of operators and fidelities by name, as they were learnt.
        details: Further facts that a method reports, e.g. the weight that it chose.
        settings: The settings of the solver, for the record.
    """

    field: Field
    problem: Problem
    method: str
    history: list[dict[str, Any]] = dataclass_field(default_factory=list)
    seconds: float = 0.0
    steps: int = 0
    stopped: Ended = dataclass_field(default_factory=lambda: Ended("done", ""))
    best_step: int = 0
    watched: list[Tensor] = dataclass_field(default_factory=list)
    learnt: dict[str, Tensor] = dataclass_field(default_factory=dict)
    details: dict[str, Any] = dataclass_field(default_factory=dict)
    settings: dict[str, Any] = dataclass_field(default_factory=dict)

    def to(self, device: str | torch.device) -> Solution:
        """Copy the solution, its field and its problem, to a device.

        Args:
            device: "auto", "cpu", "cuda", "cuda:1", "mps" or torch's.

        Returns:
            The copy, or this solution where it is there.

        Raises:
            ValueError: There is no such device.
        """
        target = chosen_device(device)
        problem = self.problem.to(target)
        field = field_moved(self.field, self.problem.device, target)
        if problem is self.problem and field is self.field:
            return self
        learnt = {name: value.to(target) for name, value in self.learnt.items()}
        return replace(self, field=field, problem=problem, learnt=learnt)

    @torch.no_grad()
    def sample(
        self,
        grid: Grid | None = None,
        *,
        average: int = 1,
        chunk: int | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The field on a grid.

        Args:
            grid: The pixels; default: the problem's grid.
            average: Sub-samples per axis of each pixel. A pixel image on its own grid is its own
                average.
            chunk: Field points in flight at a time; default: the library's.
            out: (*shape, channels) tensor to fill, e.g. of a file that is mapped to memory.

        Returns:
            (*shape, channels); `out` where it is given.
        """
        if grid is None:
            grid = self.problem.grid
        if isinstance(self.field, SampledField) and grid == self.field.grid:
            if out is not None:
                return out.copy_(self.field.values)
            return self.field.values
        return sample(self.field, grid, average=average, chunk=chunk, out=out)

    @torch.no_grad()
    def held_out(self) -> float | None:
        """The mean fidelity on the rows that the fit never saw; None where it saw all."""
        if not self.watched or not all(len(r) for r in self.watched):
            return None
        return self.misfit(self.watched)

    @torch.no_grad()
    def misfit(self, rows: Sequence[Tensor]) -> float:
        """Σ weight · mean fidelity over some rows of each term.

        A pixel image is measured as its own method saw it, by the operator's map on the grid.

        Args:
            rows: For each term, (b,) indices of measurements.
        """
        return float(self.misfits([rows]))

    @torch.no_grad()
    def misfits(self, parts: Sequence[Sequence[Tensor]]) -> Tensor:
        """Compute `misfit` of several groups of rows, (groups,); all are predicted together.

        Args:
            parts: For each group and each term, (b,) indices of measurements.
        """
        totals = torch.zeros(len(parts), dtype=torch.float64)
        for k, term in enumerate(self.problem.terms):
            groups = [rows[k] for rows in parts]
            found = self.predicted(k, torch.cat(groups))
            for i, part in enumerate(found.split([len(rows) for rows in groups])):
                totals[i] += term.weight * float(term.distance(part, groups[i]))
        return totals

    @torch.no_grad()
    def predicted(self, term: int, rows: Tensor) -> Tensor:
        """Predict measurements, (b, *m), of the term of this number: a pixel image by its grid."""
        operator = self.problem.terms[term].operator
        if isinstance(self.field, SampledField):
            operator = on_grid(operator, self.field.grid, self.field.device)
        with evaluating(operator):
            return predict(operator, self.field, rows)

    def image(self) -> Tensor:
        """The field on the problem's grid as results are shown: averages over each pixel.

        Where the measurements saw the field on a lattice only, its nodes are what is averaged.

        Returns:
            (*problem.grid.shape, channels).
        """
        return self._pixels(None, self.problem.average)

    @property
    def is_raster(self) -> bool:
        """Whether the measurements saw pixels only: then the raster is the image."""
        return all(
            isinstance(t.operator, OnGrid) and t.operator.grid == self.problem.grid
            for t in self.problem.terms
        )

    def metrics(
        self,
        reference: Field | None = None,
        *,
        grid: Grid | None = None,
        average: int | None = None,
    ) -> dict[str, float]:
        """PSNR in dB, SSIM and relative error, of pixel averages.

        SSIM is given in 2-D and 3-D where its window fits. Fits of whole-grid operators are
        compared as the raster that the operator saw, complex fields by their moduli. The data range
        of PSNR and SSIM is the reference's own span: see `metrics.psnr_of_span`.

        Args:
            reference: The truth; default: the problem's reference.
            grid: The pixels that are compared; default: the problem's grid.
            average: Sub-samples per axis of each pixel; default: the problem's.

        Returns:
            "PSNR", "SSIM" where it fits, and "relative error".

        Raises:
            ValueError: There is no reference.
        """
        from inverse_inr import metrics

        image, truth = self._compared("metrics", reference, grid, average)
        space = truth.shape[:-1]
        found = {"PSNR": metrics.psnr_of_span(image, truth)}
        if len(space) in (2, 3) and min(space) >= metrics.WINDOW:
            span = metrics.span(truth)
            found["SSIM"] = metrics.ssim(image, truth, data_range=span, ndim=len(space))
        found["relative error"] = metrics.relative_error(image, truth)
        return found

    def psnr(self) -> float:
        """The PSNR in dB as `metrics()` gives it, for figures: the same number as in tables.

        Raises:
            ValueError: The problem has no reference.
        """
        from inverse_inr import metrics

        return metrics.psnr_of_span(*self._compared("psnr", None, None, None))

    def _compared(
        self, name: str, reference: Field | None, grid: Grid | None, average: int | None
    ) -> tuple[Tensor, Tensor]:
        """The moduli of the image and of the truth, as they are compared: where it is not NaN."""
        from inverse_inr.metrics import modulus, where_known

        if reference is None:
            reference = self.problem.reference
        if average is None:
            average = self.problem.average
        if reference is None:
            raise ValueError(f"Solution.{name}: the problem has no reference; pass one.")
        image = modulus(self._pixels(grid, average)).cpu()
        if grid is None:
            grid = self.problem.grid
        return where_known(image, modulus(sample(reference, grid, average=average)).cpu())

    def _pixels(self, grid: Grid | None, average: int) -> Tensor:
        return self.sample(grid, average=self._subsamples(grid, average))

    def _subsamples(self, grid: Grid | None, average: int) -> int:
        if self.problem.finer is not None and grid in (None, self.problem.grid):
            return self.problem.finer
        return 1 if self.is_raster else average

    def summary(self) -> dict[str, Any]:
        """One row of a comparison table.

        Returns:
            "method", "seconds", "held-out", and the metrics if the problem has a reference.
        """
        from inverse_inr.solver.writing import summary_of

        return summary_of(self)

    def report(self) -> str:
        """A few plain lines: what was done, why it ended, how well it fits."""
        from inverse_inr.solver.writing import report_of

        return report_of(self)

    def save(self, folder: str | Path) -> Path:
        """Write image.npz, field.safetensors and history.json.

        Where the grid has an affine, image.nii.gz (NIfTI, of moduli) is written too;
        field.safetensors only where the field is a module.

        Args:
            folder: The folder to write to; it is made if it does not exist.

        Returns:
            The folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, write in self.writers().items():
            write(folder / name)
        return folder

    @torch.no_grad()
    def write(
        self, path: PathLike, grid: Grid | None = None, average: int | None = None, **options: Any
    ) -> Path:
        """Write the field on a grid, with the record of every setting (`io.read_record`).

        Args:
            path: .npy, .h5 (dataset "image", what was learnt beside it), .zarr, .nii or .nii.gz (of
                moduli): slab by slab, no more than a slab is ever in memory. Whatever else
                `io.write_image` writes, a folder of DICOM slices too: whole.
            grid: The voxels; default: the problem's grid.
            average: Sub-samples per axis of each voxel; default: as results are shown.
            options: Options of a format that is written whole.
        """
        from inverse_inr.solver.writing import write_field

        if average is None:
            average = self._subsamples(grid, self.problem.average)
        return write_field(self, path, grid or self.problem.grid, average, options)

    def writers(self) -> dict[str, Callable[[Path], None]]:
        """The files of `save`, by name: functions that write one to the path that they are given.

        Each file is written whole or not at all.
        """
        from inverse_inr.solver.writing import writers_of

        return writers_of(self)
