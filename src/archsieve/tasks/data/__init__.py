"""Where a task's data come from, and how they become batches: files, decoding, caches, augmentation."""
