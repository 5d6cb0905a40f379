"""Tissue maps from k-space, through the signal equation of the sequence."""
