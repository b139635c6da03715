"""Plans shipped with the package, as TOML."""
