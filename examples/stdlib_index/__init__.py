"""The standard library, indexed by actors that are killed on the way."""
