"""Nothing in this folder is a test: a collector that imports these files would register what they publish."""

collect_ignore_glob = ["*.py"]
