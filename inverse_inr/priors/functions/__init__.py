"""Functions that priors are made of: compact spectra with exact derivatives, sums of Gaussians."""
