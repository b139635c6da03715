"""What a folder of results says: as values, as one page, as figures and tables in files."""
