"""Moments as they come from outside: in any zone, at the edges of the calendar too."""

from datetime import UTC, datetime

from domain.kernel.errors import InvalidInput

# The driver writes the calendar's very ends as infinities, and reads those back without a zone.
FIRST = datetime.min.replace(microsecond=1, tzinfo=UTC)
"""The earliest moment there is here."""
LAST = datetime.max.replace(microsecond=999_998, tzinfo=UTC)
"""The latest moment there is here."""


def in_utc(moment: datetime, *path: str) -> datetime:
    """Return the same moment in UTC; one that names no zone is UTC. The calendar's ends move in by 1 µs.

    Raises InvalidInput naming `path` for one that UTC puts before the year 1 or after 9999, which
    neither Python nor the database driver can express.
    """
    if moment.tzinfo is None:
        return _within(moment.replace(tzinfo=UTC))
    try:
        return _within(moment.astimezone(UTC))
    except OverflowError:
        raise InvalidInput("lies outside the years 1 to 9999 in UTC", *path) from None


def _within(moment: datetime) -> datetime:
    return max(FIRST, min(LAST, moment))
