"""Networks that are no MLP: products of filters, a composer of activations, several in one batch."""
