"""Inputs on which nothing was chosen, one module a modality, for `benchmarks/fresh_inputs.py`.

Each module has `cases() -> list[Case]`. No setting of the library may be tuned on what it makes:
see the list in CONTRIBUTING.md.
"""
