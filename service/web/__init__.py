"""The page, the probes and the API."""
