"""Plans shipped with the package, as TOML files, and the code that reads and runs plans."""
