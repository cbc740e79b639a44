"""Vertebrae of known dimensions, for the demonstration and for measuring our own accuracy."""
