"""Cameras: masks, blur by point-spread functions, single-pixel cameras and coded video."""
