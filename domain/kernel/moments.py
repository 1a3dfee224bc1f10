"""Moments as they come from outside: in any zone, at the edges of the calendar too."""

from datetime import UTC, datetime

from domain.kernel.errors import InvalidInput


def in_utc(moment: datetime, *path: str) -> datetime:
    """Return the same moment in UTC; one that names no zone is UTC.

    Raises InvalidInput naming `path` for one that UTC puts before the year 1 or after 9999, which
    neither Python nor the database driver can express.
    """
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("lies outside the years 1 to 9999 in UTC", *path) from None
