"""Scenes seen by cameras: posed pinhole cameras and emission-absorption volume rendering."""
