"""The messages of graphql-transport-ws: read strictly, written compactly.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import orjson

from realtime.operations import Answer, OperationRequest

SUBPROTOCOL = "graphql-transport-ws"
MAX_MESSAGE_BYTES = 65_536
_LONGEST_ID = 256


class Close(IntEnum):
    """Why the server closes a connection."""

    RESTART = 1012
    TOO_LONG = 1009
    BAD_MESSAGE = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    BAD_SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE_ID = 4409
    TOO_MANY = 4429
    RESUME = 4513


class ProtocolViolation(Exception):
    """The client broke the protocol; the connection closes with `code`."""

    def __init__(self, code: Close, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Init:
    """The first message: `payload` carries credentials."""

    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ping:
    """The client asks whether we are there."""

    payload: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Pong:
    """The client is there."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Run an operation of any kind under `id`."""

    id: str
    request: OperationRequest


@dataclass(frozen=True, slots=True)
class Complete:
    """The client wants no more of operation `id`."""

    id: str


ClientMessage = Init | Ping | Pong | Subscribe | Complete


def read(text: str | None) -> ClientMessage:
    """Read one message; raises ProtocolViolation when it is not one of the protocol."""
    if text is None:
        raise _bad("binary messages are not part of the protocol")
    if len(text) > MAX_MESSAGE_BYTES:
        raise ProtocolViolation(Close.TOO_LONG, f"messages may have {MAX_MESSAGE_BYTES} bytes")
    try:
        message = orjson.loads(text)
    except ValueError:
        raise _bad("not JSON") from None
    if not isinstance(message, dict):
        raise _bad("not an object")
    match message.get("type"):
        case "connection_init":
            return Init(_object(message, "payload") or {})
        case "ping":
            return Ping(_object(message, "payload"))
        case "pong":
            _object(message, "payload")
            return Pong()
        case "subscribe":
            return Subscribe(_id(message), _request(message))
        case "complete":
            return Complete(_id(message))
    raise _bad("unknown type")


ACK = b'{"type":"connection_ack"}'
"""The answer to `connection_init`."""


def pong(payload: Mapping[str, Any] | None) -> bytes:
    """Return the answer to a ping, its payload sent back."""
    return orjson.dumps({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})


def suffix(operation_id: str) -> bytes:
    """Return how every `next` message of an operation ends, after what its answer is."""
    return orjson.dumps(operation_id) + b"}"


def next_answer(operation_id: str, answer: Answer) -> bytes:
    """Return one result of an operation."""
    return orjson.dumps({"id": operation_id, "type": "next", "payload": answer})


def error(operation_id: str, errors: list[Any]) -> bytes:
    """Return the end of an operation that could not run or not go on."""
    return orjson.dumps({"id": operation_id, "type": "error", "payload": errors})


def complete(operation_id: str) -> bytes:
    """Return the end of an operation that has nothing more to say."""
    return orjson.dumps({"id": operation_id, "type": "complete"})


def _request(message: Mapping[str, Any]) -> OperationRequest:
    payload = _object(message, "payload")
    if payload is None or not isinstance(payload.get("query"), str):
        raise _bad("subscribe needs payload.query")
    name = payload.get("operationName")
    if name is not None and not isinstance(name, str):
        raise _bad("payload.operationName must be a string")
    _object(payload, "extensions")
    return OperationRequest(payload["query"], name, _object(payload, "variables") or {})


def _id(message: Mapping[str, Any]) -> str:
    operation_id = message.get("id")
    if not isinstance(operation_id, str) or not 1 <= len(operation_id) <= _LONGEST_ID:
        raise _bad(f"id must be a string of 1 to {_LONGEST_ID} characters")
    return operation_id


def _object(message: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = message.get(name)
    if value is not None and not isinstance(value, dict):
        raise _bad(f"{name} must be an object")
    return value


def _bad(reason: str) -> ProtocolViolation:
    return ProtocolViolation(Close.BAD_MESSAGE, f"Invalid message received: {reason}")
