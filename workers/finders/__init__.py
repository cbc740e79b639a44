"""Image models that a site plugs in, each run in a process of its own (docs/finders.md)."""
