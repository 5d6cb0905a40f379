"""The folder of real measurements, which several benchmarks share."""

import os
from pathlib import Path

DATA = Path(os.environ.get("INVERSE_INR_DATA") or Path(__file__).parents[2] / "shared" / "data")
"""The folder that INVERSE_INR_DATA names; by default, shared/data next to the checkout."""
