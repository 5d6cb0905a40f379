"""The command line `inverse-inr`: configs, single runs, comparisons of priors, and what they write."""
