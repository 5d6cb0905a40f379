"""The means that a page copies from `docs/benchmark.md` are still those of that table."""

import pytest
from cases.documentation.pages import DOCS  # noqa: F401  (it lets `making` be imported)

BENCHMARK = """
## ct

4 runs of 2 inputs: the answer is on average +2.50 dB from the best simple method of each run \
(median +1.00, worst -0.50). From the oracle: +1.00 dB on average, worst -9.00.

## radar

1 runs of 1 inputs: the answer is on average +9.00 % of energy from the best simple method of each \
run (median +9.00, worst +9.00).

## radar

3 runs of 3 inputs: the answer is on average -0.04 -Chamfer, voxels from the best simple method of \
each run (median -0.05, worst -0.20).
"""


def test_the_page_says_what_the_benchmark_says():
    from making.copied_means import PAGE, SECTIONS, TABLE, renewed

    page = PAGE.read_text()
    assert all(f"\n| {task} | " in page for task in SECTIONS)
    assert renewed(page, TABLE.read_text()) == page, "run: python docs/making/copied_means.py"


def test_numbers_are_copied_by_section_and_unit():
    from making.copied_means import renewed

    page = (
        "| tomography | 1 | +1 | 0 | lattices |\n"
        "| radar points and surfaces | 7 | +1 | 2 | none |\n"
        "| equations | | | | nothing |\n"
    )
    assert renewed(page, BENCHMARK) == (
        "| tomography | 4 | +2.50 | -0.50 | lattices |\n"
        "| radar points and surfaces | 3 | -0.04 voxels | -0.20 voxels | none |\n"
        "| equations | | | | nothing |\n"
    )
    with pytest.raises(KeyError, match="cooking"):
        renewed("| cooking | 1 | 2 | 3 | x |\n", BENCHMARK)
