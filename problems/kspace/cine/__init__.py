"""Magnetic resonance of bodies that move: the beating heart, and breathing."""
