"""Reports of results folders: as values, as one HTML page, and as figures and tables in files."""
