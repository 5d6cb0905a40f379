"""Memory is counted in tensors, and the count is theirs."""

import pytest

from inverse_inr import Solver, priors
from inverse_inr.command.memory import step_memory


def test_memory_is_what_the_tensors_take(problem):
    def memory(name: str, batch: int = 32, **native) -> int:
        prior = priors.create(name, problem.box, **native)
        measured = step_memory(Solver(problem, prior, steps=5, batch=batch, points=8))
        assert measured is not None
        return measured

    large = memory("grid", cells=500)  # parameters, their gradients, two moments of Adam
    count = priors.create("grid", problem.box, cells=500).parameter_count
    assert 4 * 4 * count < large < 7 * 4 * count
    assert memory("grid", cells=500) == pytest.approx(large, rel=1e-3)  # whatever ran before
    wide, narrow = (memory("siren", batch, width=64, depth=3) for batch in (120, 60))
    assert wide / narrow == pytest.approx(2, rel=0.1)  # activations, which grow with the batch


@pytest.mark.gpu
def test_memory_on_a_gpu(problem):
    prior = priors.create("grid", problem.box, cells=500).cuda()
    measured = step_memory(Solver(problem, prior, steps=5, batch=32, points=8))
    assert measured is not None
    assert 4 * 4 * prior.parameter_count < measured < 8 * 4 * prior.parameter_count
