"""Reflectance and distortions together: least squares in the field, Gauss-Newton in the rest.

The field is linear in its coefficients, so that they are solved for at each step, and the few
numbers of smile, keystone and stray light take Gauss-Newton steps on what is left (variable
projection: Golub & Pereyra 1973, with the Jacobian of Kaufman 1975).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from inverse_inr import Problem, Solution
from inverse_inr.operators.spectral.pushbroom import LegendreSurface, PushBroom
from inverse_inr.problems.spectral.pushbroom.correcting import KEYSTONE_REACH, SMILE_REACH, filled
from inverse_inr.problems.spectral.pushbroom.correlation import (
    keystone_by_bands,
    light_at,
    smile_by_lines,
)
from inverse_inr.problems.spectral.pushbroom.splines import FrameModel, SplineSpectra, roughness
from inverse_inr.ranges import Count, checked
from inverse_inr.solver import Candidate, Ended
from inverse_inr.stopping import HeldOut

COMPONENTS = 16
"""Cosines of a spectrum."""
WEIGHTS = tuple((a, b) for a in (30.0, 300.0) for b in (1e3, 1e4, 1e5))
"""Weights of bends across the track and of fast cosines between which held-out pixels choose."""
RANKS = (4, 6, 8, 12)
"""Numbers of spectra of which all places are sums, between which held-out pixels choose."""
ROUNDS = 3
"""How often these spectra are found anew."""
STRIDE = 1e-4
"""Half the difference, in nm and samples, by which slopes are taken."""
STEPS = 2
"""Gauss-Newton steps in each round."""
HELD_OUT = 0.05
"""Part of the pixels that choose the weights."""


@checked
def joint_fit(problem: Problem, *, steps: Count = STEPS, hold_out: bool = True) -> Solution:
    """Fit reflectance, smile, keystone and stray light together.

    A keystone could hide in the spectra at the borders of things. So all places are sums of few
    spectra, which the cube itself gives, and their number is chosen by pixels that are held out.

    Args:
        problem: A problem of `pushbroom`; distortions begin where correlation puts them.
        steps: Gauss-Newton steps in each round; distortions that are given take none.
        hold_out: Leave out the rows by which `solve` judges, else all are fitted.
    """
    began = time.perf_counter()
    fit = _Fit(problem, hold_out)
    rounds = ROUNDS if fit.learns else 1
    fit.choose_weights()
    coefficients = fit.solved()
    for number in range(rounds):
        if number:
            fit.model.spectra = fit.cosines
            coefficients = fit.solved()
        fit.keep_spectra(coefficients)
        coefficients = fit.solved()
        for _ in range(steps if fit.learns else 0):
            fit.moved(coefficients)
            coefficients = fit.solved()
    details = {"weights": fit.weights, "rank": fit.rank}
    return fit.solution(coefficients, time.perf_counter() - began, details)


def candidates(problem: Problem) -> Iterator[Candidate]:
    """The fit between which and the classical methods `solve` decides."""
    yield Candidate(joint_fit(problem), lambda: joint_fit(problem, hold_out=False))


class _Fit:
    """A cube, its distortions so far and the weights."""

    def __init__(self, problem: Problem, hold_out: bool) -> None:
        self.problem = problem
        self.term = problem.terms[0]
        operator: Any = self.term.operator
        assert isinstance(operator, PushBroom)
        self.operator = operator
        self.cosines = torch.eye(COMPONENTS, dtype=torch.float64)
        self.model = FrameModel(operator, self.cosines)
        self.y = operator.unflatten(self.term.y).double().cpu()
        self.sigma = float(getattr(self.term.fidelity, "sigma", 1.0))
        self.watched: list[Tensor] = []
        fitted = torch.zeros(len(operator), dtype=torch.bool)
        fitted[self.term.trusted] = True
        if hold_out:
            _, self.watched = HeldOut().split(problem.terms, 0)
            fitted[self.watched[0]] = False
        self.fitted = fitted.reshape(len(self.y), -1)
        smile, keystone = operator.smile, operator.keystone
        assert smile is not None
        assert keystone is not None
        stray = operator.stray
        if stray is None:
            stray = torch.zeros(())
        self.parts = [smile.coefficients, keystone.coefficients, stray]
        self.values = torch.cat([p.detach().double().cpu().reshape(-1) for p in self.parts])
        self.basis = [_basis(smile, operator), _basis(keystone, operator)]
        self.learns = isinstance(self.parts[0], nn.Parameter)
        self.weights = WEIGHTS[0]
        self.rank = COMPONENTS
        if self.learns:
            self._begin()

    def _begin(self) -> None:
        """Put the distortions where correlation finds them."""
        frames = filled(self.y.numpy(), self.fitted.reshape(self.y.shape).numpy())
        smile = smile_by_lines(frames, self.operator, SMILE_REACH)
        reflectance = frames / light_at(self.operator, smile)
        keystone = keystone_by_bands(reflectance, KEYSTONE_REACH)
        found = []
        for surface, basis in zip((smile, keystone), self.basis, strict=True):
            target = torch.from_numpy(surface).flatten()
            found.append(torch.linalg.lstsq(basis.flatten(1).mT, target[:, None]).solution[:, 0])
        self.values = torch.cat([*found, self.values[-1:]])

    def frames(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Smile in nm, keystone in samples, and the share of stray light."""
        smile, keystone, stray = values.split([len(self.basis[0]), len(self.basis[1]), 1])
        return (
            torch.einsum("p,pij->ij", smile, self.basis[0]),
            torch.einsum("p,pij->ij", keystone, self.basis[1]),
            stray[0],
        )

    def solved(self, fitted: Tensor | None = None) -> Tensor:
        """The coefficients (lines, m, k) of least squares at the present distortions."""
        if fitted is None:
            fitted = self.fitted
        matrix = self.model.matrix(*self.frames(self.values))
        spectra = self.model.spectra
        count = matrix.shape[1] // spectra.shape[1]
        prior = self.sigma**2 * roughness(count, spectra, *self.weights)
        whole = matrix.mT @ matrix + prior
        complete = None
        if bool(fitted.all()):
            complete = torch.linalg.cholesky(whole)
        self.factors = []
        found = []
        for frame, known in zip(self.y.flatten(1), fitted, strict=True):
            out = matrix[~known]
            factor = complete
            if factor is None:
                factor = torch.linalg.cholesky(whole - out.mT @ out)
            self.factors.append(factor)
            right = matrix[known].mT @ frame[known]
            found.append(torch.cholesky_solve(right[:, None], self.factors[-1])[:, 0])
        self.matrix = matrix
        return torch.stack(found).unflatten(1, (count, -1))

    def choose_weights(self) -> None:
        """Take the weights that predict some of the fitted pixels best."""
        errors = {}
        for self.weights in WEIGHTS:
            errors[self.weights] = self._misprediction()
        self.weights = min(errors, key=errors.__getitem__)

    def keep_spectra(self, coefficients: Tensor) -> None:
        """Keep the few spectra that make up a fit, as many as predict some pixels best."""
        _, _, right = torch.linalg.svd(coefficients.flatten(0, 1), full_matrices=False)
        errors = {}
        for rank in RANKS if self.rank == COMPONENTS else (self.rank,):
            self.model.spectra = right[:rank].mT
            errors[rank] = self._misprediction() if self.rank == COMPONENTS else 0.0
        self.rank = min(errors, key=errors.__getitem__)
        self.model.spectra = right[: self.rank].mT

    def _misprediction(self) -> float:
        generator = torch.Generator().manual_seed(1)
        out = torch.rand(self.fitted.shape, generator=generator) < HELD_OUT
        some = slice(None, None, max(1, len(self.y) // 2))
        whole, fitted = self.y, self.fitted
        self.y, self.fitted = whole[some], fitted[some]
        out = out[some] & self.fitted
        c = self.solved(self.fitted & ~out)
        left = self.y.flatten(1) - c.flatten(1) @ self.matrix.mT
        self.y, self.fitted = whole, fitted
        return float(left[out].square().mean())

    def moved(self, coefficients: Tensor) -> None:
        """Take one Gauss-Newton step of the distortions."""
        smile, keystone, share = self.frames(self.values)
        clean = self.model.clean(coefficients, smile, keystone)
        by_smile, by_keystone = (
            self.model.clean(coefficients, smile + s, keystone + k)
            - self.model.clean(coefficients, smile - s, keystone - k)
            for s, k in ((STRIDE, 0.0), (0.0, STRIDE))
        )
        by_smile, by_keystone = by_smile / (2 * STRIDE), by_keystone / (2 * STRIDE)
        parts = [
            by_smile[None] * self.basis[0][:, None],
            by_keystone[None] * self.basis[1][:, None],
        ]
        slopes = torch.cat(parts).movedim(0, -1)  # (lines, samples, bands, parameters)
        normal = torch.zeros(len(self.values), len(self.values), dtype=torch.float64)
        right = torch.zeros(len(self.values), dtype=torch.float64)
        model = self.matrix @ coefficients.flatten(1).mT
        for t, known in enumerate(self.fitted):
            laid = (
                self.model.with_stray(clean[t][..., None], torch.ones(()).double())
                - clean[t][..., None]
            )
            columns = torch.cat([self.model.with_stray(slopes[t], share), laid], -1)
            columns = columns.flatten(0, 1)
            seen = self.matrix[known].mT @ columns[known]
            columns = columns - self.matrix @ torch.cholesky_solve(seen, self.factors[t])
            left = self.y[t].flatten() - model[:, t]
            normal += columns[known].mT @ columns[known]
            right += columns[known].mT @ left[known]
        normal += 1e-9 * normal.diagonal().mean() * torch.eye(len(normal), dtype=torch.float64)
        self.values = self.values + torch.linalg.solve(normal, right)
        self.values[-1] = self.values[-1].clamp(0, 0.9)

    def solution(self, coefficients: Tensor, seconds: float, details: dict[str, Any]) -> Solution:
        """The field, with the distortions in the problem's operator."""
        cut = [p.numel() for p in self.parts]
        found = [
            v.reshape(p.shape).to(p)
            for v, p in zip(self.values.split(cut), self.parts, strict=True)
        ]
        old = self.operator
        assert old.light is not None
        assert old.smile is not None
        assert old.keystone is not None
        operator = PushBroom(
            old.grid,
            fwhm=old.fwhm,
            light=old.light,
            smile=LegendreSurface(found[0]),
            keystone=LegendreSurface(found[1], without_mean=old.keystone.without_mean),
            stray=float(found[2]),
            spread=old.spread,
        )
        problem = replace(self.problem, terms=[replace(self.term, operator=operator)])
        names = ("0.smile.coefficients", "0.keystone.coefficients", "0.stray")
        learnt: dict[str, Tensor] = {}
        if self.learns:
            learnt = dict(zip(names, found, strict=True))
        return Solution(
            SplineSpectra(old.grid, (coefficients @ self.model.spectra.mT).to(self.term.y)),
            problem,
            "splines, joint",
            seconds=seconds,
            stopped=Ended("direct", "Gauss-Newton"),
            watched=self.watched,
            learnt=learnt,
            details=details,
        )


def _basis(surface: LegendreSurface, operator: PushBroom) -> Tensor:
    """(p · q, samples, bands): each polynomial of a surface, in nm or samples."""
    shape = surface.coefficients.shape
    unit = torch.eye(shape[0] * shape[1], dtype=torch.float64).reshape(-1, *shape)
    scale = operator.grid.spacing[2] if surface is operator.smile else 1.0
    found = []
    for one in unit:
        alone = LegendreSurface(one, without_mean=surface.without_mean)
        frame = PushBroom(operator.grid, fwhm=operator.fwhm, keystone=alone)
        found.append(scale * frame.surfaces[1])
    return torch.stack(found)
