"""Features on lattices: one level or many, dense or hashed, over all axes or some of them."""
