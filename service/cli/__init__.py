"""The commands that need only the node; `workers.cli` adds those that measure and puts all of them together."""
