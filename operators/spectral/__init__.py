"""Spectral cameras: coded apertures, dispersion, colour responses, and colours of spectra."""
