"""What time does to gift cards: what is left of one that has expired is taken off it."""

from domain.kernel.events import Event
from domain.kernel.ids import new_id
from persistence import stored_values as rows
from services import ledger
from services.context import ServiceContext

MOST_AT_ONCE = 200
"""Balances one transaction empties: locks stay short, the next transaction takes the rest."""


async def expire_due(context: ServiceContext) -> int:
    """Empty the balances whose time is over; returns how many.

    One that is being paid with, or given back to, at this moment is left to the next sweep.
    """
    total = 0
    while True:
        async with context.transaction() as transaction:
            expired = await rows.expire(
                transaction.connection, most=MOST_AT_ONCE, actor=transaction.actor, now=transaction.now
            )
            transaction.emit(
                *(
                    Event(
                        kind="StoredValueExpired",
                        aggregate="stored_value",
                        aggregate_id=value.id,
                        version=value.version,
                        occurred_at=transaction.now,
                        payload={
                            "kind": value.kind.value,
                            "amountMinor": -lost_minor,
                            "balanceMinor": value.balance_minor,
                            "currency": value.currency,
                        },
                    )
                    for value, lost_minor in expired
                )
            )
            transaction.post(
                *(ledger.value_expired(value, new_id(), lost_minor) for value, lost_minor in expired)
            )
        total += len(expired)
        if len(expired) < MOST_AT_ONCE:
            return total
