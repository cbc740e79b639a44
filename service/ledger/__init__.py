"""The ledger: what was decided. The spool is the truth for bytes; the broker is only a wake-up call."""
