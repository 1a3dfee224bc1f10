"""SQL of reviews: why orders wait for a person, what was decided, and the queue of those still open."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, DateTime, Row, Text, Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.fulfillment import FulfillmentOrder
from domain.order_reviews import Decision, OrderReview, Reason, ReviewState
from domain.orders import Order
from persistence import order_holds
from persistence.json_text import json_text
from persistence.orders import ORDER_COLUMNS, order_of

_COLUMNS = """
    r.order_id, r.decision, r.reasons, r.state AS review_state, r.due_at, r.decided_by, r.decided_at,
    r.note"""
_BY_ORDERS = text(f"SELECT {_COLUMNS} FROM order_reviews r WHERE r.order_id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Uuid))
)
# The most urgent first; whatever the filter, one way of being sorted.
_PAGE = text(
    f"""
    SELECT {_COLUMNS}, {ORDER_COLUMNS}
      FROM order_reviews r JOIN orders o ON o.id = r.order_id
     WHERE r.state = :state AND (CAST(:channel_id AS uuid) IS NULL OR o.channel_id = :channel_id)
       AND (CAST(:after_due_at AS timestamptz) IS NULL OR (r.due_at, r.order_id) > (:after_due_at, :after_id))
     ORDER BY r.due_at, r.order_id LIMIT :limit
    """
).bindparams(
    bindparam("channel_id", type_=Uuid()),
    bindparam("after_id", type_=Uuid()),
    bindparam("after_due_at", type_=DateTime(timezone=True)),
)
# What was decided once stays decided; all holds end with the order, its own with the review.
_CLOSE = text(
    """
    WITH released AS (
        UPDATE order_holds SET released_by = :actor, released_at = :now
         WHERE order_id = :order_id AND released_at IS NULL AND (of_review OR :all_holds)
    )
    UPDATE order_reviews SET state = :state, decided_by = :actor, decided_at = :now, note = :note
     WHERE order_id = :order_id AND state = 'OPEN' AND :state <> 'OPEN'
    """
).bindparams(
    bindparam("order_id", type_=Uuid()),
    bindparam("all_holds", type_=Boolean()),
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("note", type_=Text()),
)


async def by_orders(connection: AsyncConnection, order_ids: Sequence[UUID]) -> dict[UUID, OrderReview]:
    """Return the reviews of orders, by order; one that was accepted at once has none."""
    rows = await connection.execute(_BY_ORDERS, {"ids": list(order_ids)})
    return {row.order_id: _review(row) for row in rows}


async def page(
    connection: AsyncConnection,
    state: ReviewState,
    channel_id: UUID | None,
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[tuple[OrderReview, Order]]:
    """Return up to `limit` reviews in `state` with their orders, those due soonest first."""
    due_at, order_id = after or (None, None)
    values = {
        "state": state.value,
        "channel_id": channel_id,
        "after_due_at": due_at,
        "after_id": order_id,
        "limit": limit,
    }
    return [(_review(row), order_of(row)) for row in await connection.execute(_PAGE, values)]


async def close(
    connection: AsyncConnection,
    order_id: UUID,
    state: ReviewState | None,
    *,
    all_holds: bool,
    actor: str,
    note: str | None,
    now: datetime,
) -> None:
    """End the review of a locked order with the holds it has put, or with `all_holds` there are.

    Without a `state` there is no review to end, only holds.
    """
    values = {
        "order_id": order_id,
        "state": (state or ReviewState.OPEN).value,
        "all_holds": all_holds,
        "actor": actor,
        "note": note,
        "now": now,
    }
    await connection.execute(_CLOSE, values)


def placing(review: OrderReview | None, parts: Sequence[FulfillmentOrder]) -> dict[str, str]:
    """Return the parameters that write a new order's review and holds with it."""
    reviews = [] if review is None else [_record(review)]
    return {"reviews": json_text(reviews), "holds": json_text(order_holds.records(parts))}


def _record(review: OrderReview) -> dict[str, Any]:
    return {
        "decision": review.decision,
        "reasons": [reason.to_json() for reason in review.reasons],
        "state": review.state,
        "due_at": review.due_at,
    }


def _review(row: Row[*tuple[Any, ...]]) -> OrderReview:
    return OrderReview(
        row.order_id,
        Decision(row.decision),
        tuple(Reason.from_json(record) for record in row.reasons),
        ReviewState(row.review_state),
        row.due_at,
        row.decided_by,
        row.decided_at,
        row.note,
    )
