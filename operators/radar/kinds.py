"""Kinds of arguments that radar operators and problems share, with their ranges."""

from __future__ import annotations

from typing import Annotated, Literal

from inverse_inr.operators.spherical_harmonics import Degree as Degree
from inverse_inr.ranges import Range

Sign = Annotated[int, Range(least=-1, most=1)]
"""The sign of the phase: +1 for a beat signal, -1 for phase history; never 0."""
Basis = Literal["point", "cell"]
"""What a value of the scene is: a point at the middle of its voxel, or all of the voxel."""
Decibels = Annotated[float, Range(least=-100, most=200)]
"""A ratio of powers in decibels: of signal to noise."""
Angle = Annotated[float, Range(least=-1e4, most=1e4)]
"""An angle in degrees or radians."""
Elevation = Annotated[float, Range(least=-90, most=90)]
"""An elevation in degrees."""
Hertz = Annotated[float, Range(above=0, most=1e15)]
"""A frequency in Hz."""
Aperture = Annotated[float, Range(least=0, most=360)]
"""The azimuths that a pass spans, in degrees."""
Incidence = Annotated[float, Range(above=0, below=90)]
"""An angle of incidence in degrees, from the vertical."""
