"""Answers that go out together are, to each client, what they would have been one by one."""

from collections.abc import Generator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from realtime.answers import BYTES_AT_ONCE, Batch, Message, batches
from realtime.operations import Delivery

IDS = st.text(min_size=1, max_size=40)


def answered(*texts: str) -> list[Message]:
    return [Message(Delivery({"data": text}, f"{number:048x}")) for number, text in enumerate(texts, 1)]


def suffix(operation_id: str) -> bytes:
    return orjson.dumps(operation_id) + b"}"


def read(stream: bytes) -> list[Any]:
    """Read frames as a client's library does."""
    reader = StreamReader()
    reader.feed_data(stream)
    reader.feed_eof()
    frames = []
    while not reader_is_empty(reader):
        frames.append(one_of(reader))
    assert {(frame.opcode, frame.fin) for frame in frames} <= {(Opcode.TEXT, True)}
    return [orjson.loads(frame.data) for frame in frames]


def reader_is_empty(reader: StreamReader) -> bool:
    """Say whether all was read."""
    return bool(_value(reader.at_eof()))


def one_of(reader: StreamReader) -> Frame:
    """Read the next frame."""
    frame: Frame = _value(Frame.parse(reader.read_exact, mask=False))
    return frame


def _value(parsing: Generator[None, None, Any]) -> Any:
    """Run one of the library's parsers, which waits where bytes are missing."""
    with pytest.raises(StopIteration) as ended:
        next(parsing)
    return ended.value.value


@given(st.lists(st.text(max_size=200), min_size=1, max_size=8), st.lists(IDS, min_size=1, max_size=3))
def test_every_client_reads_each_answer_under_its_own_id(texts: list[str], ids: list[str]) -> None:
    batch = Batch(answered(*texts))
    for operation_id in ids:
        messages = read(batch.frames(suffix(operation_id)))
        assert [one["id"] for one in messages] == [operation_id] * len(texts)
        assert [one["payload"] for one in messages] == [{"data": text} for text in texts]


def test_together_is_byte_for_byte_one_after_the_other() -> None:
    messages = answered("a", "b" * 200, "c" * 70_000)
    own = suffix("1")
    assert Batch(messages).frames(own) == b"".join(message.frame(own) for message in messages)


@given(st.integers(0, 6))
def test_who_has_some_gets_the_rest(has: int) -> None:
    batch = Batch(answered("1", "2", "3", "4", "5"))
    rest = batch.after(f"{has:048x}")
    assert [one.body for one in rest.messages] == [one.body for one in batch.messages[has:]]


def test_an_answer_that_tells_of_no_event_is_for_everybody() -> None:
    everybody = Message(Delivery({"data": "now"}))
    assert Batch([everybody]).after(f"{9:048x}").messages == [everybody]


@given(st.lists(st.integers(0, 2 * BYTES_AT_ONCE), max_size=12))
def test_no_more_is_written_at_once_than_may_wait_unless_one_is_longer(sizes: list[int]) -> None:
    messages = answered(*("x" * size for size in sizes))
    together = list(batches(messages))
    assert [one for batch in together for one in batch.messages] == messages
    for batch in together:
        assert len(batch.messages) == 1 or sum(len(one.body) for one in batch.messages) <= BYTES_AT_ONCE
