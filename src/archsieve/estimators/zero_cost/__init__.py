"""Zero-cost proxies: scores of a newly initialised network that predict its quality after training."""
