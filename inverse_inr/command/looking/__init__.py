"""Verbs of the command line that look and reconstruct nothing."""
