"""Landmarks in, findings out. PURE: standard library and numpy only."""
