"""Where the six points of a vertebra come from."""
