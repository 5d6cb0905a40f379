"""A coarse cube and a fine image of few channels, fused: the problem and its classical methods."""
