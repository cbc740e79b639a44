"""The contract suite runs over both databases."""

from ledgers import empty_sqlite, ledger, ledger_url, shared_postgres, sqlite_url

__all__ = ["empty_sqlite", "ledger", "ledger_url", "shared_postgres", "sqlite_url"]
