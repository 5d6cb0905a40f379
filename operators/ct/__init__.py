"""Computed tomography: X-ray transforms on rays and on grids, and filtered backprojection.

Scan geometries of other programs are read and written by `geometry_exchange`.
"""
