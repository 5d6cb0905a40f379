"""Magnetic resonance: k-space along any trajectory, coils, encodings, fast normal equations."""
