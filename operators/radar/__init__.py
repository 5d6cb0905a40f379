"""Radar: beat spectra, phase history, backprojection and images, with phases exact in float64."""
