"""Cursors: where in which feed a reader stands, as clients keep it between two connections."""

import re
from dataclasses import dataclass
from uuid import UUID

_FORM = re.compile(r"[0-9a-f]{48}", re.ASCII)
_MAX_SEQUENCE = 2**63 - 1


class FeedError(Exception):
    """A subscription that cannot go on. `code` is what the client reads in the GraphQL error."""

    code = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CursorExpired(FeedError):
    """The cursor is older than retention, or of another database's feed: read afresh, then follow."""

    code = "CURSOR_EXPIRED"


class InvalidCursor(FeedError):
    """The cursor was never given by this server: malformed, or beyond the feed's head."""

    code = "BAD_USER_INPUT"


class Discontinued(FeedError):
    """This process has missed events, so its followers would: resume from the last cursor."""

    code = "RESUME"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A sequence in the feed of one epoch.

    Its text has a fixed width, so that cursors of one feed sort as their sequences do.
    """

    epoch: UUID
    sequence: int

    def __str__(self) -> str:
        return f"{self.epoch.hex}{self.sequence:016x}"

    @staticmethod
    def is_one(text: str) -> bool:
        """Say whether a text has the form of a cursor."""
        return _FORM.fullmatch(text) is not None

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read a cursor; raises InvalidCursor when it is not one."""
        if not _FORM.fullmatch(text):
            raise InvalidCursor("after is not a cursor of this server")
        sequence = int(text[32:], 16)
        if sequence > _MAX_SEQUENCE:
            raise InvalidCursor("after is not a cursor of this server")
        return cls(UUID(hex=text[:32]), sequence)
