"""Training of networks: recipe, loop, checkpoints, several processes."""
