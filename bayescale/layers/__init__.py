"""What surrounds a law in a model: drift, shared errors, curve, pooling, noise."""
