"""Whole views kept out of a fit, to judge and to stop by."""

from __future__ import annotations

import math

from inverse_inr import Term
from inverse_inr.hooks import Shaped
from inverse_inr.stopping import HeldOut


def views_held_out(term: Term, nth: int | None) -> HeldOut | None:
    """Hold out each n-th view of a term; None for none.

    Args:
        term: The term, whose operator has the shape (views, *rows of a view).
        nth: The distance of views that are held out, from the n/2-th on.

    Returns:
        The stopping rule.

    Raises:
        ValueError: There are fewer than n views.
    """
    if nth is None:
        return None
    assert isinstance(term.operator, Shaped)
    views, *rest = term.operator.shape
    if nth > views:
        raise ValueError(
            f"hold_out_views={nth}: there are {views} views, so none would be held out."
        )
    view = term.trusted // math.prod(rest)
    return HeldOut(rows=[term.trusted[view % nth == nth // 2]])
