"""What time does to idempotency keys: the answers that nobody will ask for again are removed."""

from datetime import timedelta

from persistence import idempotency as rows
from services.context import ServiceContext

KEPT_FOR = timedelta(hours=48)
"""Age at which a key goes: the 24 hours that docs/api.md promises, and as much again to be safe."""

MOST_AT_ONCE = 1000
"""Keys one transaction removes: few enough that no lock is held for long."""


async def forget_old(context: ServiceContext) -> int:
    """Remove the keys that are old enough, batch by batch; returns how many.

    Those of payments whose outcome is still open stay: orderPlace answers by them until the end.
    """
    total = 0
    while True:
        async with context.transaction() as transaction:
            gone = await rows.forget(
                transaction.connection, before=transaction.now - KEPT_FOR, most=MOST_AT_ONCE
            )
        total += gone
        if gone < MOST_AT_ONCE:
            return total
