"""One checkout's side of `two_checkouts.py`: makes a solver, then so many steps as it is asked.

It uses only what an old and a new checkout both have, and writes nothing but answers to stdout.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import inverse_inr as ii
from inverse_inr import priors
from inverse_inr.command.config import Run
from inverse_inr.stopping import Never

BOX = ii.Box((-1.0, -1.0), (1.0, 1.0), ("cm", "cm"))


def prepared(question: dict[str, Any]) -> tuple[Callable[[], object], str]:
    """A call that makes one step, and in words what kind of step."""
    if "part" in question:
        return PARTS[question["part"]](), "one call"
    if "prior" in question:
        return prior_step(question["prior"]), "16384 points"
    problem = Run.of({"problem": question["problem"]}).problem()
    # the same work in both, whatever each suggests
    fixed: dict[str, Any] = {"regularizers": [], "optimizer": "adam", "steps": 10**4}
    solver = ii.Solver(problem, question["fit"], stopping=Never(every=10**4), **fixed)
    return solver.step, f"{solver.label}, Adam"


def prior_step(name: str) -> Callable[[], object]:
    """Value and gradient of a prior."""
    prior = priors.create(name, BOX)
    x = BOX.random_points(16384, generator=torch.Generator().manual_seed(0))

    def step() -> None:
        prior.zero_grad()
        prior(x).square().sum().backward()

    return step


def backprojection() -> Callable[[], object]:
    """Filtered backprojection of 180 parallel views on 256 x 256 pixels."""
    from inverse_inr.operators import ParallelBeam, fbp

    beam = ParallelBeam(BOX, torch.arange(180) * torch.pi / 180, 256)
    seen = ii.predict(beam, picture(256))
    return lambda: fbp(beam, seen, ii.Grid(BOX, (256, 256)))


def similar_places() -> Callable[[], object]:
    """Similar patches of a picture of 96 x 96 pixels and three channels."""
    from inverse_inr.regularizers import similar_patches

    values = picture(96, 3).values
    return lambda: similar_patches(values)


def patch_models() -> Callable[[], object]:
    """Gaussian models of the patches of such a picture, which guide a round of inpainting."""
    from inverse_inr.regularizers import LocalGaussians

    guide = picture(96, 3)
    return lambda: LocalGaussians(guide, guide.grid).models()


def simulated_slices() -> Callable[[], object]:
    """Three stacks of moving slices of a volume of 48 x 48 x 48 mm."""
    from inverse_inr.problems.slices.simulation import simulate_stacks

    box = ii.Box((0.0,) * 3, (48.0,) * 3, ("mm",) * 3)
    values = torch.rand(48, 48, 48, 1, generator=torch.Generator().manual_seed(0))
    volume = ii.SampledField(values, ii.Grid(box, (48, 48, 48)))
    return lambda: simulate_stacks(volume, box)


def tv_denoising() -> Callable[[], object]:
    """Fifty iterations on 256 x 256 pixels."""
    from inverse_inr.denoisers import proximal_tv

    values = picture(256).values
    return lambda: proximal_tv(values, 0.1, iterations=50)


def primal_dual() -> Callable[[], object]:
    """TV of a given weight from 60 views of 128 x 128 pixels, 60 iterations."""
    from inverse_inr.baselines import tv
    from inverse_inr.problems.ct import ct

    problem = ct("shepp_logan", size=128, views=60)
    return lambda: tv(problem, 1.0, iterations=60)


def picture(side: int, channels: int = 1) -> ii.SampledField:
    """Random numbers on a square of pixels."""
    values = torch.rand(side, side, channels, generator=torch.Generator().manual_seed(0))
    return ii.SampledField(values, ii.Grid(BOX, (side, side)))


PARTS = {
    "fbp 256², 180 views": backprojection,
    "similar patches, 96² x 3": similar_places,
    "patch models, 96² x 3": patch_models,
    "simulated slices, 48³ mm": simulated_slices,
    "TV denoising 256²": tv_denoising,
    "primal-dual TV, 128², 60 views": primal_dual,
}
"""Single parts, by the name that the table shows."""


def require_own_modules() -> None:
    """Refuse modules of an installed checkout, which lends those that this one lacks."""
    own = str(Path.cwd())
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None) or own
        if name.startswith("inverse_inr") and not path.startswith(own):
            raise ImportError(f"{name} is not in this checkout")


def main() -> None:
    """Answer line by line."""
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr
    step: Callable[[], object] | None = None
    for text in sys.stdin:
        question = json.loads(text)
        began, clock = time.process_time(), time.perf_counter()
        answer: dict[str, Any] = {}
        try:
            if step is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    step, answer["kind"] = prepared(question)
                require_own_modules()
                step()
                step()
            else:
                for _ in range(question["steps"]):
                    step()
        except Exception as error:  # one row that fails is said, and the others go on
            answer = {"failed": f"{type(error).__name__}: {str(error)[:80]}"}
        answer["processor"] = time.process_time() - began
        answer["clock"] = time.perf_counter() - clock
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
