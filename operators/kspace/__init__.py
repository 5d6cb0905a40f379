"""Magnetic resonance: k-space samples of any trajectory, coils, encodings, and fast normal equations."""
