"""The parts of `benchmarks/device.py`, one module each."""
