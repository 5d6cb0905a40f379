"""Ultrasound transmission tomography: travel times between transducers around the object."""
