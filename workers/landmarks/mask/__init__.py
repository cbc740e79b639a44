"""Six points from a vertebra's mask: docs/morphometry 3.2, steps 0 to 8."""
