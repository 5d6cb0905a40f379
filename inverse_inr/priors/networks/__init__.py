"""Networks that are no MLP: products, composed activations, phasors, tiles, several in a batch."""
