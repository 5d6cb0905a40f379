"""Custom operations: sparse matrices and interpolation. Eager torch is the definition."""
