"""CT with the physics of real scans: hard beams and metal, scatter, motion, phase contrast."""
