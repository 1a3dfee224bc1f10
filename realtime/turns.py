"""Turns at what may not be done by all at once; whoever asks for many waits for themselves."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable


class Turns:
    """So many turns at a time. Owners get them in turn, however many of their own wait."""

    def __init__(self, at_once: int) -> None:
        """Let so many have a turn at a time."""
        self._free = at_once
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, owner: Hashable) -> None:
        """Wait for a turn; it is to be given back."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give_back()
            raise

    def give_back(self) -> None:
        """Let the next owner have the turn."""
        while self._waiting:
            owner, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[owner] = turns
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
