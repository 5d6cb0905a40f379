"""Sines that grew from SIREN: of variable period, and of a shape that each layer learns."""
