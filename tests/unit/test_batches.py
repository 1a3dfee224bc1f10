"""Reads put together: one at a time, and none that keeps others for ever."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from realtime import batches
from realtime.batches import Batches


class Table:
    """Answers with the keys, once `answers` is set."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()
        self.asked: list[list[Any]] = []

    async def read(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        self.asked.append(list(keys))
        await self.answers.wait()
        return {key: key for key in keys}


async def test_who_comes_while_one_reads_is_answered_together() -> None:
    table, loads = Table(), Batches()
    waiting = [asyncio.ensure_future(loads.load("one", [key], table.read)) for key in "abc"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting += [asyncio.ensure_future(loads.load("one", [key], table.read)) for key in "def"]
    await asyncio.sleep(0)
    table.answers.set()

    for key, found in zip("abcdef", await asyncio.gather(*waiting), strict=True):
        assert found[key] == key
    assert table.asked == [["a", "b", "c"], ["d", "e", "f"]]


async def test_a_read_that_is_never_answered_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "SECONDS_TO_ANSWER", 0.05)
    table, loads = Table(), Batches()
    with pytest.raises(TimeoutError):
        await loads.load("one", ["a"], table.read)
    table.answers.set()

    assert await loads.load("one", ["b"], table.read) == {"b": "b"}
