"""Forward operators, one file a family. `inverse_inr.operators` in Python."""
