"""What jobs do with one return after the other: what goes wrong with one is put off, and stops no other."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from uuid import UUID

from persistence import returns as rows
from persistence.outages import is_outage
from services import one_by_one
from services.context import ServiceContext

_AGAIN_AFTER = timedelta(minutes=1)


async def each(
    context: ServiceContext,
    job: str,
    ids: Iterable[UUID],
    do: Callable[[ServiceContext, UUID], Awaitable[object]],
) -> int:
    """Do one thing with one return after the other; returns how many went well.

    One that fails is logged, and not looked at for a minute: jobs take so many at once, and as many that
    fail again and again would be all that they ever take.
    """

    async def attempt(return_id: UUID) -> None:
        try:
            await do(context, return_id)
        except Exception as error:
            if not is_outage(error):
                async with context.transaction() as transaction:
                    await rows.put_off(transaction.connection, return_id, transaction.now + _AGAIN_AFTER)
            raise

    return await one_by_one.each(job, ids, attempt)
