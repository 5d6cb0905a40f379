"""Spectral cubes: values on pixels and bands with wavelengths, from files, and written as ENVI."""

from inverse_inr.io.cubes.cube import SpectralCube as SpectralCube
from inverse_inr.io.cubes.reading import read_cube as read_cube
from inverse_inr.io.cubes.writing import write_envi as write_envi
from inverse_inr.io.cubes.writing import write_envi_image as write_envi_image
