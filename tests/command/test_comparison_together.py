"""`compare --together`: the seeds of a prior as one batch, equal to rounding; or why not."""

import tomllib

import pytest
import torch
from cases.comparison import CONFIG, stored

from inverse_inr import load_field
from inverse_inr.command.comparison import compare
from inverse_inr.command.config import Run

FAST = CONFIG + 'dtype = "float64"\n'


@pytest.mark.slow
def test_seeds_together_are_those_one_by_one(tmp_path):
    run = Run.of(tomllib.loads(FAST))
    alone = compare(run, ["hash"], out=tmp_path / "alone", seeds=3)
    batch = compare(run, ["hash"], out=tmp_path / "batch", seeds=3, together=True)
    assert batch.alone == {"hash": ""}
    assert "one by one" not in batch.markdown()
    mine, other = stored(tmp_path / "alone"), stored(tmp_path / "batch")
    assert mine.keys() == other.keys()
    for name, cell in mine.items():
        found = other[name]
        assert cell.steps == found.steps
        assert cell.best_step == found.best_step
        for key in {"PSNR", "SSIM", "held-out", "parameters"} & cell.values.keys():
            assert found.values[key] == pytest.approx(cell.values[key], rel=1e-8)
        if name.startswith("hash"):
            fields = [
                load_field(tmp_path / out / "cells" / name / "field.safetensors")
                for out in ("alone", "batch")
            ]
            for one, two in zip(*(f.parameters() for f in fields), strict=True):
                torch.testing.assert_close(one, two, rtol=1e-7, atol=1e-9)
    assert len(alone.table()) == len(batch.table())


def test_what_cannot_go_together_goes_one_by_one_and_the_table_says_why(tmp_path):
    run = Run.of(tomllib.loads(FAST + '[optimizer]\nname = "lbfgs"\n'))
    found = compare(run, ["grid"], out=tmp_path, seeds=2, together=True)
    assert len(found.table()) == 2
    assert "grid one by one: only Adam" in (tmp_path / "table.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_seeds_that_are_done_stay_and_new_ones_go_together(tmp_path):
    run = Run.of(tomllib.loads(FAST))
    compare(run, ["hash"], out=tmp_path, seeds=1)
    before = (tmp_path / "cells" / "hash-0" / "cell.json").read_bytes()
    compare(run, ["hash"], out=tmp_path, seeds=3, together=True)
    assert (tmp_path / "cells" / "hash-0" / "cell.json").read_bytes() == before
    assert sum(name.startswith("hash") for name in stored(tmp_path)) == 3
