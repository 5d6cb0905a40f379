"""The public conformance kit: tests of operators and priors to inherit.

Subclass `OperatorTests` or `PriorTests`, define `make`, and inherit the contract.

    class TestMyOperator(OperatorTests):
        def make(self):
            return MyOperator(...)

A part of the contract is that copies work on another device; `FakeCuda` is one on any machine:

    with FakeCuda() as gpu:
        Solver(problem, device="cuda").step()
        print(gpu.waits())

`inverse-inr check my_file.py:MyOperator` runs the same checks without pytest.
"""

from inverse_inr.testing.fake_cuda import FakeCuda as FakeCuda
from inverse_inr.testing.operators import OperatorTests as OperatorTests
from inverse_inr.testing.operators import smooth_field as smooth_field
from inverse_inr.testing.priors import PriorTests as PriorTests
from inverse_inr.testing.running import checks as checks
from inverse_inr.testing.running import run_checks as run_checks
