"""What jobs do with one return or claim after the other: what fails is put off, and stops no other."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

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
    put_off: Callable[[AsyncConnection, UUID, datetime], Awaitable[None]] = rows.put_off,
) -> int:
    """Do one thing with one return after the other, or with what `put_off` is of; returns how many went well.

    One that fails is logged, and not looked at for a minute: jobs take so many at once, and as many that
    fail again and again would be all that they ever take.
    """

    async def attempt(one: UUID) -> None:
        try:
            await do(context, one)
        except Exception as error:
            if not is_outage(error):
                async with context.transaction() as transaction:
                    await put_off(transaction.connection, one, transaction.now + _AGAIN_AFTER)
            raise

    return await one_by_one.each(job, ids, attempt)
