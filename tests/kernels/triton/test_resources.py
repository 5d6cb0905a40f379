"""The kernels compiled for GPUs that are not here: no register is spilt at the presets' sizes."""

import pytest

from inverse_inr.kernels.triton import resources

pytest.importorskip("triton", reason="triton is not installed: pip install triton")
NAMES = {case.name: case for case in resources.cases()}


@pytest.fixture(autouse=True)
def fused(monkeypatch):
    """Say that products and sums are fused, which triton warns of where it is not said."""
    monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", "1")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("capability", resources.TARGETS)
def test_no_register_is_spilt(name, capability):
    found = resources.compiled(NAMES[name], capability)
    assert found.spilt == 0
    assert found.registers <= 255


def test_the_page_has_a_row_for_each_kernel():
    page = (resources.Path(__file__).parents[3] / "docs" / "devices.md").read_text()
    rows = page.split(resources.BEGIN)[1].split(resources.END)[0]
    assert [line.split("|")[1].strip() for line in rows.strip().splitlines()[2:]] == list(NAMES)
