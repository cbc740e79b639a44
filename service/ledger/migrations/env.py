"""Alembic's environment: the caller brings the connection, its lock and its transaction."""

from alembic import context

from service.ledger.page_tables import people

context.configure(connection=context.config.attributes["connection"], target_metadata=people.metadata)
with context.begin_transaction():
    context.run_migrations()
