"""Coordinates of a map: from GeoTIFF and ENVI to a grid's metadata, and back into files."""
