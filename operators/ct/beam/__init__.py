"""The operators of what a real beam and detector add to line integrals: a spectrum, scatter, blur and afterglow."""
