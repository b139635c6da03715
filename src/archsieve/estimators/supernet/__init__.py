"""One-shot estimation: scores from the weights of one network that holds all."""
