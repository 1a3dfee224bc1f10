"""Identifiers: UUIDv7, so that primary keys grow with time and index pages stay warm."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562): unique, and ordered by the millisecond it was made in."""
    return uuid7()
