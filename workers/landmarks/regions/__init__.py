"""Masks as their carriers name and draw them: which level, which volume, what else they hold; then landmarks."""
