"""Customers, their sign-ins, and the codes on their way to them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, Uuid

from persistence.tables.base import key, metadata, moment, text_column

customers = Table(
    "customers",
    metadata,
    key(),
    # In small letters, as the database makes them: orders are theirs by it.
    Column("email", Text, nullable=False, unique=True),
    moment("created_at"),
    CheckConstraint("email = lower(email)", name="email"),
)

# Tokens are derived from these rows and never stored.
customer_sessions = Table(
    "customer_sessions",
    metadata,
    key(),
    Column("customer_id", Uuid, ForeignKey("customers.id", ondelete="CASCADE"), nullable=False, index=True),
    # Who vouched for the customer; null: they had the code. What a revoked app vouched for is worth nothing.
    Column("app_id", Uuid, ForeignKey("apps.id"), index=True),
    Column("refresh_generation", Integer, nullable=False, server_default="1"),
    moment("created_at"),
    moment("expires_at"),
    moment("ended_at", optional=True),
    Index("ix_customer_sessions_expires_at", "expires_at"),
    # As many as fit into a token.
    CheckConstraint("refresh_generation BETWEEN 1 AND 65535", name="refresh_generation"),
)

# One row an address: a new code takes the place of the one before, and all are counted.
customer_sign_ins = Table(
    "customer_sign_ins",
    metadata,
    Column("email", Text, primary_key=True),
    # Names the code, which is derived from it.
    Column("id", Uuid, nullable=False, unique=True),
    Column("channel_id", Uuid, ForeignKey("channels.id"), nullable=False),
    text_column("locale"),
    Column("tries", Integer, nullable=False, server_default="0"),
    moment("created_at"),
    moment("expires_at"),
    moment("used_at", optional=True),
    # How many codes were asked for since then.
    Column("asked", Integer, nullable=False, server_default="1"),
    moment("asked_since"),
    Column("mail_attempts", Integer, nullable=False, server_default="0"),
    # When it is to be mailed, or tried again; null: it is with the mail server, or given up.
    moment("mail_at", optional=True),
    Index("ix_customer_sign_ins_mail_at", "mail_at", postgresql_where="mail_at IS NOT NULL"),
    Index("ix_customer_sign_ins_asked_since", "asked_since"),
    CheckConstraint("email = lower(email)", name="email"),
    CheckConstraint("tries >= 0 AND asked > 0", name="counts"),
)

# Stands for client addresses that asked for codes, as with carts.
customer_sign_in_clients = Table(
    "customer_sign_in_clients",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("asked", Integer, nullable=False),
    moment("asked_since"),
    Index("ix_customer_sign_in_clients_asked_since", "asked_since"),
    CheckConstraint("asked > 0", name="asked"),
)
