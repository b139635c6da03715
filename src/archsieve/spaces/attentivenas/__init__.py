"""AttentiveNAS: mobile networks of many widths, depths, kernels and resolutions."""
