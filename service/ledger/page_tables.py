"""The tables and indices of whoever looks after the node: people, switches, callers that were rejected, what was done.

They tell nothing of a study; what somebody does with one stands in `events`. Times as in `tables`.
"""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from service.ledger.tables import deliveries, metadata, studies

people: Final = Table(
    "people",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    #: scrypt, with its parameters and salt; null for one that has a token alone, or whom a proxy names.
    Column("password", Text),
    #: SHA-256, hex, of a token for programs.
    Column("token", String(64), unique=True),
    Column("created_at", Float(53), nullable=False),
)

sessions: Final = Table(
    "sessions",
    metadata,
    #: SHA-256, hex, of what the cookie says.
    Column("id", String(64), primary_key=True),
    Column("person", String(64), nullable=False),
    #: Digest of what was signed in with: a new password, or another token file, ends the session.
    Column("credential", String(64), nullable=False),
    Column("expires_at", Float(53), nullable=False, index=True),
)

switches: Final = Table(
    "switches",
    metadata,
    #: What is paused; a row is there while it is.
    Column("name", String(32), primary_key=True),
    Column("since", Float(53), nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
)

callers: Final = Table(
    "callers",
    metadata,
    Column("calling_ae", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("cause", String(32), primary_key=True),
    #: The AE title that it called last.
    Column("called_ae", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_at", Float(53), nullable=False),
    Column("last_at", Float(53), nullable=False, index=True),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float(53), nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(32), nullable=False),
    #: Never patient data; a study goes by its key.
    Column("detail", Text, nullable=False),
)

#: The list of studies, by each filter, in its order: a page of it is read from one index, however many there are.
Index("ix_studies_by_state", studies.c.state, studies.c.last_received_at, studies.c.id)
Index("ix_studies_by_source", studies.c.source, studies.c.last_received_at, studies.c.id)
Index("ix_studies_by_source_state", studies.c.source, studies.c.state, studies.c.last_received_at, studies.c.id)
#: With who must act, so that the causes of what failed are counted without a look at the rows.
Index(
    "ix_studies_by_reason",
    *(studies.c.state, studies.c.reason, studies.c.last_received_at, studies.c.id, studies.c.who),
)
#: What happened in a day, by source, without a look at the rows themselves.
Index("ix_studies_of_a_day", studies.c.last_received_at, studies.c.source, studies.c.state)
#: The search by accession number; Patient IDs have theirs already.
Index("ix_studies_accession_number", studies.c.accession_number)
#: When a destination took something last.
Index("ix_deliveries_destination", deliveries.c.destination, deliveries.c.delivered_at)
