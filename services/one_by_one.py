"""One after the other, for what happens by itself: what is wrong with one keeps no other waiting."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog

from persistence.outages import is_outage

_log = structlog.get_logger(__name__)

T = TypeVar("T")


async def each(job: str, items: Iterable[T], do: Callable[[T], Awaitable[object]]) -> int:
    """Do one thing after the other; returns how many went well.

    One that fails is logged and left where it was. While the database is away none can go well: that is
    raised, and the job tried again later.
    """
    done = 0
    for item in items:
        try:
            await do(item)
        except Exception as error:
            if is_outage(error):
                raise
            passed_over(job, item, error)
        else:
            done += 1
    return done


def passed_over(job: str, item: object, error: BaseException) -> None:
    """Log why one thing failed; raises it again where it stands for all: an outage, or the end of us."""
    if not isinstance(error, Exception) or is_outage(error):
        raise error
    _log.error("passed_over", job=job, item=str(item), exc_info=error)
