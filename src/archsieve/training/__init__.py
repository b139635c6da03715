"""Training of networks: the recipe, the loop, checkpoints, several processes."""
