"""The node: what touches network, disk, queue and browser."""

__version__ = "0.1.0"
