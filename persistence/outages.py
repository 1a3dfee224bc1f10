"""Telling a database that is away for a moment from a defect of ours."""

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


def is_outage(error: BaseException) -> bool:
    """Say whether `error`, or what caused it, is worth trying again with the same request."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, _AWAY) or (isinstance(seen, DBAPIError) and seen.connection_invalidated):
            return True
        seen = seen.__cause__ or getattr(seen, "orig", None)
    return False
