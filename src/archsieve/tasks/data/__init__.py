"""Data of tasks: sources, files, decoding, caches, batches and augmentation."""
