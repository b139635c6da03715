"""The recipes shipped with the package, as TOML files: `archsieve list recipes`."""
