"""Networks that are no MLP: products of filters, composed activations, phasors, tiles, stacks."""
