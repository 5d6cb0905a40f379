"""The conformance kit on an operator of a user's own file, as `inverse-inr check` runs it."""

from __future__ import annotations

from typing import Any

from inverse_inr.protocol import Operator
from inverse_inr.registry import load_object
from inverse_inr.testing import OperatorTests, run_checks

OF_LINEAR_ONES = ("dot", "linear")
"""The checks that say something of linear operators alone."""


def check_operator(reference: str, *, linear: bool = True, channels: int = 1) -> bool:
    """Run the kit, and print one line for each check.

    Args:
        reference: File and name, e.g. "my_file.py:MyOperator": an operator, or something that makes
            one when called without arguments.
        linear: Whether the operator is linear; otherwise the checks of the adjoint and of
            additivity are skipped, and said to be.
        channels: Number of channels of the field that it looks at.

    Returns:
        Whether all checks passed.

    Raises:
        ValueError: The file does not define the name.
        TypeError: The object is no operator and makes none.
    """
    found: Any = load_object(reference)
    is_linear, count = linear, channels

    class Kit(OperatorTests):
        linear = is_linear
        channels = count

        def make(self) -> Operator:
            if isinstance(found, type) or not isinstance(found, Operator):
                return found()
            return found

    if not callable(found):
        raise TypeError(f"{reference} is {type(found).__name__}: no operator, and makes none.")
    results = [(name, failure) for name, failure in run_checks(Kit())]
    skipped = () if linear else OF_LINEAR_ONES
    for name, failure in results:
        if name in skipped:
            print(f"skipped {name}: the operator is not linear (--nonlinear)")
        elif failure is None:
            print(f"ok   {name}")
        else:
            print(f"FAIL {name}: {failure}")
    failed = sum(f is not None for name, f in results if name not in skipped)
    said = f"{len(results) - len(skipped) - failed} passed, {failed} failed"
    if skipped:
        said += f", {len(skipped)} skipped"
    print(said)
    return not failed
