"""The parts of `perf/device.py`, one module each."""
