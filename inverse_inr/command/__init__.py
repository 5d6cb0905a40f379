"""The command line `inverse-inr`: configs, runs, comparisons of priors, and what they write."""
