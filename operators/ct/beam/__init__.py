"""Operators around a beam: a spectrum, scatter, blur and afterglow beside line integrals."""
