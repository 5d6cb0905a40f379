"""Cameras: masks, blur by point-spread functions, single-pixel and coded video."""
