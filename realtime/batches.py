"""Reads that many followers want at once, put together: one statement answers all who wait."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

SECONDS_TO_ANSWER = 10.0

Read = Callable[[Sequence[Any]], Awaitable[Mapping[Any, Any]]]
"""Reads what there is of some keys."""


class Batches:
    """Batched reads by name; one of a name runs at a time, and the next takes everyone who came meanwhile.

    So a thousand followers of a thousand SKUs cost as many statements as the database has time for,
    and one of its connections.
    """

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._waiting: dict[Hashable, list[tuple[Sequence[Any], asyncio.Future[Mapping[Any, Any]]]]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def load(self, name: Hashable, keys: Sequence[Any], read: Read) -> Mapping[Any, Any]:
        """Return what `read` finds of `keys`, and maybe of others'; raises what it does.

        Equal names must come with reads that do the same.
        """
        answer: asyncio.Future[Mapping[Any, Any]] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(name)
        if waiting is None:
            self._waiting[name] = [(keys, answer)]
            task = asyncio.create_task(self._run(name, read))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)
        else:
            waiting.append((keys, answer))
        return await answer

    async def _run(self, name: Hashable, read: Read) -> None:
        while batch := self._waiting[name]:
            self._waiting[name] = []
            keys = dict.fromkeys(key for wanted, _ in batch for key in wanted)
            reading = asyncio.create_task(_in_time(read, list(keys)))
            await asyncio.wait([reading])
            error = reading.exception()
            for _, answer in batch:
                # Who waits no more has given its future up.
                if answer.done():
                    continue
                if error is None:
                    answer.set_result(reading.result())
                else:
                    answer.set_exception(error)
        del self._waiting[name]


async def _in_time(read: Read, keys: Sequence[Any]) -> Mapping[Any, Any]:
    """Read; a connection that never answers must not keep everyone who comes later."""
    async with asyncio.timeout(SECONDS_TO_ANSWER):
        return await read(keys)
