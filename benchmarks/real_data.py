"""Where the real measurements lie: the folder INVERSE_INR_DATA, else shared/data beside the checkout."""

import os
from pathlib import Path

DATA = Path(os.environ.get("INVERSE_INR_DATA") or Path(__file__).parents[2] / "shared" / "data")
