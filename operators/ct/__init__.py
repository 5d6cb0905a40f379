"""Computed tomography: X-ray transforms on rays and on grids, filtered backprojection, other programs' geometries."""
