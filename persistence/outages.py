"""Telling a database that is away for a moment from a defect of ours."""

from collections.abc import Iterator

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_AWAY: tuple[type[BaseException], ...] = (
    OSError,  # refused, reset, unreachable; TimeoutError is one of them
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # the database accepts no connections just now
    asyncpg.ReadOnlySQLTransactionError,  # a failover has made this server a standby
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


_REFUSING: tuple[type[BaseException], ...] = (
    asyncpg.InvalidAuthorizationSpecificationError,  # a wrong password is one of them
    asyncpg.InvalidCatalogNameError,  # there is no database of this name
    asyncpg.InsufficientPrivilegeError,
)


def is_outage(error: BaseException) -> bool:
    """Say whether `error`, or what caused it, is worth trying again with the same request."""
    return any(
        isinstance(one, _AWAY) or (isinstance(one, DBAPIError) and one.connection_invalidated)
        for one in _with_causes(error)
    )


def why_unusable(error: BaseException) -> str | None:
    """Say in one line why the database cannot be used, or None if `error` is about something else.

    For whoever has just named that database: it is away, or lets this user do nothing.
    """
    for one in _with_causes(error):
        if isinstance(one, (*_AWAY, *_REFUSING)):
            return " ".join(str(one).split()) or "no answer in time"
    return None


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or getattr(seen, "orig", None)
