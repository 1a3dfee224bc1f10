"""How a stream ends for those who share it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import patch

import orjson
import pytest

from realtime import hub
from realtime.answers import Batch
from realtime.hub import Hub, Stream
from realtime.operations import Delivery, Source, Start

ANSWERS = 5


class Told:
    """A member, and everything it was told in its order."""

    def __init__(self) -> None:
        self.position = ""
        self.gone = False
        self.stream: Stream | None = None
        self.told: list[Any] = []
        self.over = asyncio.Event()

    def deliver(self, batch: Batch) -> None:
        self.told += [orjson.loads(message.body)["data"] for message in batch.messages]

    def end(self, errors: list[Any] | None) -> None:
        self.told.append(errors and errors[0]["extensions"]["code"])
        self.over.set()

    def has_room(self) -> bool:
        return True

    async def room(self, seconds: float | None) -> bool:
        return True


def at(number: int) -> str:
    return f"{number:048x}"


@pytest.mark.parametrize(("fails", "end"), [(True, "INTERNAL"), (False, None)])
@pytest.mark.parametrize("many", [1, 16])
async def test_the_end_comes_after_everything_that_was_answered(
    many: int, fails: bool, end: str | None
) -> None:
    async def run(start: Start) -> AsyncGenerator[Delivery]:
        for number in range(1, ANSWERS + 1):
            yield Delivery({"data": number}, at(number))
        if fails:
            raise RuntimeError("a defect")

    # Where one is many, three are: what they are given waits while the next is executed.
    with patch.multiple(hub, MEMBERS_A_TURN=1, MANY_MEMBERS=many, SECONDS_TO_GATHER=0):
        one = Hub(lambda: (at(0), at(0)))
        members = [Told() for _ in range(3)]
        for member in members:
            one.join(Source(run, "shared"), member)
        async with asyncio.timeout(5):
            for member in members:
                await member.over.wait()
        # Whatever were still under way would come now.
        await asyncio.sleep(0.05)

    for member in members:
        assert member.told == [*range(1, ANSWERS + 1), end]
    assert one.live_streams == 0
