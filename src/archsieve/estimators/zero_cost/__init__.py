"""Zero-cost proxies: what a newly initialised network tells of the trained one."""
