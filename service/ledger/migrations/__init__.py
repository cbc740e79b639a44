"""Migrations of the ledger; `service.ledger.schema` runs them."""
