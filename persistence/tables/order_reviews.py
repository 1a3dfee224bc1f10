"""Reviews of orders: why each waited for a person, and what was decided."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, Uuid

from domain.order_reviews import Decision, ReviewState
from persistence.tables.base import JSON, metadata, moment, one_of, text_column

order_reviews = Table(
    "order_reviews",
    metadata,
    Column("order_id", Uuid, ForeignKey("orders.id"), primary_key=True),
    text_column("decision"),
    # Every rule that found something: code, action, facts, and the rule's id, which may be deleted since.
    Column("reasons", JSON, nullable=False),
    text_column("state"),
    moment("due_at"),
    # The actor, as events name it: no personal data.
    Column("decided_by", Text),
    moment("decided_at", optional=True),
    Column("note", Text),
    moment("created_at"),
    Index("ix_order_reviews_state_due_at", "state", "due_at", "order_id"),
    one_of("decision", Decision),
    one_of("state", ReviewState),
    CheckConstraint("(state = 'OPEN') = (decided_at IS NULL)", name="decided"),
)
