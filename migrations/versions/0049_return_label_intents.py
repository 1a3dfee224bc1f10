"""Labels of returns are bought in the background: who waits for one is told, and staff may do otherwise.

Revision ID: 0049
Revises: 0048
"""

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

_KINDS = (
    "ORDER_CONFIRMED ORDER_RECEIVED ORDER_APPROVED ORDER_CANCELED ORDER_REFUNDED SHIPPED OUT_FOR_DELIVERY"
    " DELIVERED DELAYED DELIVERY_FAILED READY_FOR_PICKUP RETURN_RECEIVED_REQUEST RETURN_APPROVED"
)
_NEW = "RETURN_READY_TO_SEND"
_LAST = (
    "RETURN_DECLINED RETURN_REMINDER RETURN_ARRIVED RETURN_REFUNDED RETURN_REFUND_DELAYED"
    " RETURN_EXCHANGE_UNAVAILABLE RETURN_REJECTED RETURN_CANCELED RETURN_EXPIRED"
)


def upgrade() -> None:
    """Note when customers were told how to send a return; keep plans that staff have replaced."""
    op.add_column("return_parcels", sa.Column("announced_at", sa.DateTime(timezone=True)))
    # Who has a label or a code by now was told so.
    op.execute(
        "UPDATE return_parcels SET announced_at = created_at"
        " WHERE source = 'LABEL' AND label_state IN ('NONE', 'PURCHASED', 'VOIDED')"
    )
    _let_sources("LABEL OWN FORMER")
    op.drop_index("uq_return_parcels_return_id_source", "return_parcels")
    op.create_index(
        "uq_return_parcels_return_id_source",
        "return_parcels",
        ["return_id", "source"],
        unique=True,
        postgresql_where=sa.text("source <> 'FORMER'"),
    )
    # What is to be bought is looked for again and again, what may have to go back now and then.
    _index_labels("label_state IN ('REQUESTED', 'FAILED')")
    op.create_index(
        "ix_return_parcels_unused",
        "return_parcels",
        ["return_id"],
        postgresql_where=sa.text(
            "label_state = 'PURCHASED' AND status = 'LABEL_CREATED' AND label_kept_at IS NULL"
        ),
    )
    _let_kinds(f"{_KINDS} {_NEW} {_LAST}")


def downgrade() -> None:
    """Forget both, and what was told of them."""
    op.execute(f"DELETE FROM notifications WHERE {_one_of('kind', _NEW)}")
    _let_kinds(f"{_KINDS} {_LAST}")
    op.execute(
        "DELETE FROM tracking_events WHERE return_parcel_id IN"
        " (SELECT id FROM return_parcels WHERE source = 'FORMER')"
    )
    op.execute("DELETE FROM return_parcels WHERE source = 'FORMER'")
    op.drop_index("uq_return_parcels_return_id_source", "return_parcels")
    op.create_index(
        "uq_return_parcels_return_id_source", "return_parcels", ["return_id", "source"], unique=True
    )
    _let_sources("LABEL OWN")
    op.drop_index("ix_return_parcels_unused", "return_parcels")
    _index_labels("label_state IN ('REQUESTED', 'PURCHASED', 'FAILED')")
    op.drop_column("return_parcels", "announced_at")


def _index_labels(condition: str) -> None:
    op.drop_index("ix_return_parcels_label", "return_parcels")
    op.create_index(
        "ix_return_parcels_label",
        "return_parcels",
        ["label_next_attempt_at", "id"],
        postgresql_where=sa.text(condition),
    )


def _let_sources(sources: str) -> None:
    op.drop_constraint(op.f("ck_return_parcels_source"), "return_parcels")
    op.create_check_constraint(op.f("ck_return_parcels_source"), "return_parcels", _one_of("source", sources))


def _let_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_notifications_kind"), "notifications")
    op.create_check_constraint(op.f("ck_notifications_kind"), "notifications", _one_of("kind", kinds))


def _one_of(column: str, values: str) -> str:
    listed = ", ".join(f"'{value}'" for value in values.split())
    return f"{column} IN ({listed})"
