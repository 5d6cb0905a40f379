"""Commands in several processes: one run divided between them, and many runs beside each other."""
