"""Notifications: what customers are told, each thing once, and how far the message has come."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
)

from domain.notifications import NotificationKind, NotificationState
from persistence.tables.base import JSON, key, metadata, moment, one_of, text_column

notifications = Table(
    "notifications",
    metadata,
    key(),
    Column("order_id", Uuid, ForeignKey("orders.id")),
    # Of a refund without an order, which is told of once.
    Column("unlinked_refund_id", Uuid, ForeignKey("unlinked_refunds.id")),
    text_column("kind"),
    # Tells things of one kind and order apart: a parcel, a parcel's day, the event of a refund.
    text_column("subject_key"),
    text_column("recipient"),
    text_column("locale"),
    text_column("state"),
    # What only the event knew: the parcel, the amount.
    Column("facts", JSON, nullable=False),
    # Claims so far since it was begun; with the generation it fences who was thought dead.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # How often it was sent again in doubt, and how often staff had it sent anew.
    Column("repeats", Integer, nullable=False, server_default="0"),
    Column("generation", Integer, nullable=False, server_default="1"),
    # Why it was put off, refused or is in doubt; may name the recipient.
    text_column("reason", optional=True),
    text_column("sender", optional=True),
    moment("created_at"),
    moment("begun_at"),
    moment("next_attempt_at"),
    moment("ended_at", optional=True),
    UniqueConstraint("order_id", "kind", "subject_key"),
    UniqueConstraint("unlinked_refund_id", "kind"),
    CheckConstraint("num_nonnulls(order_id, unlinked_refund_id) = 1", name="subject"),
    Index(
        "ix_notifications_next_attempt_at",
        "next_attempt_at",
        "id",
        postgresql_where="state IN ('PENDING', 'SENDING')",
    ),
    Index("ix_notifications_state_created_at_id", "state", "created_at", "id"),
    CheckConstraint("(state IN ('PENDING', 'SENDING')) = (ended_at IS NULL)", name="ended"),
    CheckConstraint("attempts >= 0 AND repeats >= 0 AND generation > 0", name="counts"),
    one_of("state", NotificationState),
    one_of("kind", NotificationKind),
)
