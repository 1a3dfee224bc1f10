"""The route by itself: what no real request can bring about, because no field of ours answers so."""

from typing import Any, cast

import orjson
import pytest
import strawberry

from api.execution import Engine
from api.http import GraphQLHttp
from api.rate_limit import RateLimiter
from services.access import ANONYMOUS, Actor
from services.context import Environment


@strawberry.type
class Query:
    """Something that cannot be written as JSON in UTF-8."""

    @strawberry.field
    def torn(self) -> str:
        """Half of a character."""
        return "\ud800"


class _Anybody:
    async def actor(self, authorization: str | None, address: str | None = None) -> Actor:
        return ANONYMOUS


async def ask(query: str) -> tuple[int, dict[str, Any]]:
    """Send a query to the route and return the status and the answer."""
    engine = Engine(strawberry.Schema(Query))
    http = GraphQLHttp(engine, cast("Environment", None), _Anybody(), RateLimiter(0, 1))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": orjson.dumps({"query": query}), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    await http({"method": "POST", "headers": headers, "ordertide.request_id": "r7"}, receive, send)
    return sent[0]["status"], orjson.loads(sent[1]["body"])


@pytest.mark.parametrize("query", ["{ torn }", "{ __typename torn }"])
async def test_an_answer_that_cannot_be_written_is_a_failure_and_says_of_which_request(query: str) -> None:
    status, answer = await ask(query)

    assert status == 500
    assert answer["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": "r7"}
    assert "data" not in answer


async def test_what_can_be_written_is_answered() -> None:
    assert await ask("{ __typename }") == (200, {"data": {"__typename": "Query"}, "extensions": {"cost": 1}})
