"""Ordertide as an outside program speaks to it: GraphQL over HTTP, subscriptions by websocket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import httpx
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

_PROTOCOL = Subprotocol("graphql-transport-ws")
_TIMEOUT_SECONDS = 30
_RECONNECT_SECONDS = 1.0

Json = dict[str, Any]


class RequestFailed(Exception):
    """The server did not answer the operation: unreachable, or a GraphQL error."""


class Client:
    """Sends operations to one server, as one party (`token`) or as nobody in particular."""

    def __init__(self, address: str, token: str | None = None, *, connections: int = 32) -> None:
        """Speak to the server at `address` (http://host:port)."""
        self._graphql = f"{address}/graphql"
        self._token = token
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            headers={"authorization": f"Bearer {token}"} if token else {},
            trust_env=False,  # a proxy in the environment is not for the loopback
        )

    async def __aenter__(self) -> Self:
        """Return the client; leaving the block closes its connections."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client's connections."""
        await self._http.aclose()

    async def execute(self, document: str, **variables: object) -> Json:
        """Return the operation's data; raise RequestFailed when there is none."""
        body = orjson.dumps({"query": document, "variables": variables})
        try:
            response = await self._http.post(
                self._graphql, content=body, headers={"content-type": "application/json"}
            )
        except httpx.HTTPError as error:
            raise RequestFailed(f"{type(error).__name__}: {error}") from error
        answer = _object(response.content)
        if answer.get("errors") or not isinstance(answer.get("data"), dict):
            raise RequestFailed(f"{response.status_code}: {answer.get('errors')}")
        data: Json = answer["data"]
        return data

    async def mutate(self, field: str, payload: str, **given: object) -> Json:
        """Return the payload of the mutation `field`, of whose input are `given`.

        `payload` is what to select besides the user errors, which are always there.
        """
        name = field[0].upper() + field[1:]
        data = await self.execute(
            f"mutation {name}($input: {name}Input!) "
            f"{{ {field}(input: $input) {{ {payload} userErrors {{ {_USER_ERROR} }} }} }}",
            input=given,
        )
        if data[field] is None:
            raise RequestFailed(f"{field} answered null")
        answered: Json = data[field]
        return answered

    async def follow(self, field: str, selection: str) -> AsyncIterator[Json]:
        """Yield the events of the subscription `field`, for ever: after a break, where it left off."""
        document = (
            f"subscription Follow($after: String) {{ {field}(after: $after) {{ cursor {selection} }} }}"
        )
        after: str | None = None
        while True:
            try:
                async for event in self._subscribe(document, {"after": after}):
                    after = event[field]["cursor"]
                    yield event[field]
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def watch(self, document: str, variables: Mapping[str, object]) -> AsyncIterator[Json]:
        """Yield what the subscription `document` sends, for ever; it starts anew after a break."""
        while True:
            try:
                async for data in self._subscribe(document, variables):
                    yield data
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass
            await asyncio.sleep(_RECONNECT_SECONDS)

    async def _subscribe(self, document: str, variables: Mapping[str, object]) -> AsyncIterator[Json]:
        url = self._graphql.replace("http", "ws", 1)
        async with connect(url, subprotocols=[_PROTOCOL], proxy=None, max_size=None) as socket:
            credentials = {"authorization": f"Bearer {self._token}"} if self._token else {}
            await _send(socket, {"type": "connection_init", "payload": credentials})
            async for raw in socket:
                message = _object(raw)
                match message.get("type"):
                    case "connection_ack":
                        payload = {"query": document, "variables": variables}
                        await _send(socket, {"type": "subscribe", "id": "1", "payload": payload})
                    case "ping":
                        await _send(socket, {"type": "pong"})
                    case "next":
                        data = message["payload"].get("data")
                        if data:
                            yield data
                    case "error":
                        raise RequestFailed(f"the subscription ended: {message['payload']}")
                    case "complete":
                        return


_USER_ERROR = (
    "code message ... on InsufficientStockError { sku requested available }"
    " ... on PaymentDeclinedError { declineCode }"
)


async def _send(socket: Any, message: Mapping[str, object]) -> None:
    await socket.send(orjson.dumps(message).decode())


def _object(raw: str | bytes) -> Json:
    try:
        value = orjson.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
