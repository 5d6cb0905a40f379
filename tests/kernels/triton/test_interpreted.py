"""The Triton kernels in Triton's interpreter, against eager torch: no GPU is needed.

Triton decides when it is imported whether it interprets, and torch's compiler imports it, so each
file of checks runs in a Python of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("interpreted_*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_kernels_agree_with_their_definitions_in_the_interpreter(name: str) -> None:
    pytest.importorskip("triton", reason="triton is not installed: pip install triton")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["TRITON_INTERPRET"] = "1"
    # products and sums are fused on a GPU, which is what we want there; triton warns unless it is
    # said, because its own choice will change
    environment["TRITON_DEFAULT_FP_FUSION"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / name)]
    root = HERE.parents[2]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
