"""Commands run from another folder, as a user's are."""

import os
import subprocess
from pathlib import Path


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and give its output, without PYTHONPATH.

    A checkout on that path would win over what is installed.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
