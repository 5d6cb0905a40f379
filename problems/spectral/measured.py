from __future__ import annotations
from collections.abc import Sequence, Callable
from dataclasses import dataclass
from typing import Any
import torch
from torch import Tensor
from inverse_inr import Problem, Term, noise, Field
from inverse_inr.problems.spectral.detector_noise import shot_noise, uncoded_light
from inverse_inr.problems.spectral.snapshot import Snapshot
from inverse_inr.problems.spectral.cassi import suggestion
from inverse_inr.stopping import HeldOut

@dataclass(frozen=True)
class Route:
    background: float | None = None
    noise_level: float | None = None
    hold_out: float = 0.05

def measured(seen, route, *, notes, reference=None):
    dark = route.background
    if dark is None:
        dark = uncoded_light(seen.y[seen.trusted], seen.coded[seen.trusted])
    unit = (seen.top - dark) / float(seen.coded.max())
    y = (seen.y - dark) / unit
    model = shot_noise(y, seen.trusted)
    notes = notes | {"background": dark, "unit": unit, "noise": model, "seen": seen}
    cam = seen.camera
    flat = y.nan_to_num(0., 0., 0.).flatten()
    term = Term(cam.on(cam.bands), flat, model, rows=seen.trusted.flatten().nonzero()[:, 0])
    ref = reference(unit) if reference else None
    return Problem([term], cam.box, cam.bands, reference=ref, suggested=suggestion(term, cam.bands, HeldOut(route.hold_out, limit=2**17)), notes=notes, average=1)
