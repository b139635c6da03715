"""One-shot estimation: scores from the shared weights of a supernet."""
