"""An object that moves while it is scanned, and what a scan says of its motion."""
