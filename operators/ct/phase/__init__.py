"""Propagation-based phase contrast: waves behind an object, and the filters that undo them."""
