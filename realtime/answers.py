"""An answer on its way to many: encoded once, and written together with those that came with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import orjson

from realtime.operations import Delivery

# What is written to a socket at once and then not taken is all that a client may cost beside its outbox.
BYTES_AT_ONCE = 65_536
_NEXT = b'{"type":"next","payload":'
_ID = b',"id":'


class Message:
    """One answer, whatever it is framed in."""

    __slots__ = ("_event", "_head", "body", "cursor", "occurred_at", "slot")

    def __init__(self, delivery: Delivery) -> None:
        """Encode the answer."""
        self.body = orjson.dumps(delivery.answer)
        self.cursor = delivery.cursor
        self.slot = delivery.slot
        self.occurred_at = delivery.occurred_at
        self._head: str | None = None
        self._event: bytes | None = None

    def text(self, suffix: str) -> str:
        """Return the message of graphql-transport-ws; `suffix` is the operation's id and the end."""
        if self._head is None:
            self._head = b"".join((_NEXT, self.body, _ID)).decode()
        return self._head + suffix

    def head(self, length: int) -> bytes:
        """Return a whole websocket frame but for its end, a suffix of `length` bytes."""
        text = b"".join((_NEXT, self.body, _ID))
        return frame_header(len(text) + length) + text

    def frame(self, suffix: bytes) -> bytes:
        """Return a whole websocket frame."""
        return self.head(len(suffix)) + suffix

    def event(self, write: Callable[[bytes, str | None], bytes]) -> bytes:
        """Return the same as a server-sent event, written by `write` once."""
        if self._event is None:
            self._event = write(self.body, self.cursor)
        return self._event


class Batch:
    """Messages that go out together, in their order."""

    __slots__ = ("_heads", "_oldest", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        """Take messages, the oldest first."""
        self.messages = messages
        self._oldest = min((one.cursor or "" for one in messages), default="")
        self._heads: dict[int, list[bytes]] = {}

    def after(self, position: str) -> "Batch":
        """Return what comes after a cursor; what has none of its own always does."""
        if position < self._oldest:
            return self
        return Batch([one for one in self.messages if one.cursor is None or position < one.cursor])

    def frames(self, suffix: bytes) -> bytes:
        """Return whole websocket frames; what ids of one length share is made once.

        A suffix stands between heads as it does after the last, so that a thousand copies of a hundred
        messages are a thousand joins.
        """
        heads = self._heads.get(len(suffix))
        if heads is None:
            heads = self._heads[len(suffix)] = [one.head(len(suffix)) for one in self.messages]
            heads.append(b"")
        return suffix.join(heads)


def batches(messages: Iterable[Message]) -> Iterator[Batch]:
    """Put messages together, up to BYTES_AT_ONCE; a longer one goes alone."""
    together: list[Message] = []
    size = 0
    for message in messages:
        if together and size + len(message.body) > BYTES_AT_ONCE:
            yield Batch(together)
            together, size = [], 0
        together.append(message)
        size += len(message.body)
    if together:
        yield Batch(together)


def frame_header(length: int) -> bytes:
    """Return the header of an unmasked, final text frame (RFC 6455, section 5.2) of `length` bytes."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")
