"""Real data that several benchmarks share: the folder of measurements, and a brain."""

import os
from pathlib import Path

DATA = Path(os.environ.get("INVERSE_INR_DATA") or Path(__file__).parents[2] / "shared" / "data")
"""The folder that INVERSE_INR_DATA names; by default, shared/data next to the checkout."""


def mni152(folder: str) -> str:
    """Write the MNI152 T1 template that nilearn carries as a NIfTI file, and return its path."""
    import nibabel
    from nilearn.datasets import load_mni152_template

    path = f"{folder}/mni152.nii.gz"
    template = load_mni152_template(resolution=1)
    nibabel.save(template, path)  # pyright: ignore[reportPrivateImportUsage]
    return path
