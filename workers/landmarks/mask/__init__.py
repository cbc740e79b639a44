"""Six points from a vertebra's mask: reference/morphometry 3.2, steps 0 to 8."""
