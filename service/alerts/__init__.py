"""Alerts: what somebody must know, found in the ledger and beside it, told by webhook and mail without patient data."""
