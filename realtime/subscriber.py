"""A subscription of one client: a member of a stream, and a recipient of what is sent to the client."""

from collections.abc import Callable
from typing import Any

from realtime.answers import Batch
from realtime.hub import Stream
from realtime.sending import Sender


class Subscriber:
    """What the hub and the sender know of it; `ended` is called when its stream ends by itself."""

    __slots__ = (
        "_ended",
        "_sender",
        "conflated",
        "gone",
        "id",
        "position",
        "stream",
        "suffix",
        "suffix_text",
    )

    def __init__(
        self,
        operation_id: str,
        suffix: bytes,
        sender: Sender,
        ended: "Callable[[Subscriber, list[Any] | None], None]",
        *,
        conflated: bool,
    ) -> None:
        self.id = operation_id
        self.suffix = suffix
        self.suffix_text = suffix.decode()
        self.conflated = conflated
        self.position = ""
        self.gone = False
        self.stream: Stream | None = None
        self._sender = sender
        self._ended = ended

    def deliver(self, batch: Batch) -> None:
        """Send answers."""
        self._sender.deliver(self, batch)

    def has_room(self) -> bool:
        """Say whether the client has taken most of what it was given."""
        return self._sender.has_room

    async def room(self, seconds: float | None) -> bool:
        """Wait until it has; say whether that was so within `seconds`."""
        return await self._sender.room(seconds)

    def end(self, errors: list[Any] | None) -> None:
        """Learn that nothing more comes."""
        self._ended(self, errors)
