"""What a viewer is entitled to: the answers they get who subscribe alone, under their own credentials.

answers = await alone(database, feed, document_of("orderUpdated"), {"ref": ref}, actor, after=cursor)
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type, is_object_type, is_required_argument

from api.context import Following, RequestContext
from api.faults import RequestRefused
from persistence.database import Database
from realtime.batches import Batches
from realtime.feed import Feed
from realtime.operations import Delivery, OperationRequest, Start
from services.access import Actor
from tests.factories import SCHEMA, make_context
from tests.live import ENGINE

FLEETING = frozenset({"asOf", "earliest", "latest"})
"""Fields that tell the time, which no two executions have in common."""

SHALLOW, DEEP = 1, 5
_PATIENCE_SECONDS = 10.0


def subscription_names() -> list[str]:
    """Return the names of all subscriptions that the schema has."""
    return list(_root().fields)


def document_of(name: str, depth: int = DEEP) -> str:
    """Return a document that asks of a subscription everything there is down to `depth`."""
    field = _root().fields[name]
    variables = ", ".join(f"${argument}: {definition.type}" for argument, definition in field.args.items())
    arguments = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    selection = _selection(get_named_type(field.type), depth)
    return f"subscription ({variables}) {{ {name}({arguments}) {selection} }}"


async def alone(
    database: Database,
    feed: Feed,
    document: str,
    variables: Mapping[str, Any],
    actor: Actor,
    after: str | None = None,
) -> list[Delivery] | None:
    """Return what an actor is answered who shares with nobody; None when they are refused.

    With a cursor it is everything since, without one it is the first answer.
    """
    caught_up = asyncio.Event()

    def is_caught_up(_: str) -> bool:
        caught_up.set()
        return True

    start = Start(after, is_caught_up if after is not None else None)
    context = RequestContext.of(make_context(database, actor), Following(feed, Batches(), start))
    try:
        operation = ENGINE.prepare(OperationRequest(document, None, variables), "alone")
        stream = await ENGINE.subscribe(operation, context)
    except RequestRefused:
        return None
    async with aclosing(stream), asyncio.timeout(_PATIENCE_SECONDS):
        return await _all(stream, caught_up, first_only=after is None)


async def _all(
    stream: AsyncGenerator[Delivery], caught_up: asyncio.Event, *, first_only: bool
) -> list[Delivery] | None:
    answers: list[Delivery] = []
    waiting = asyncio.create_task(caught_up.wait())
    try:
        while True:
            upcoming = asyncio.ensure_future(anext(stream))
            await asyncio.wait({upcoming, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)
                return answers
            delivery = upcoming.result()
            if "data" not in delivery.answer:
                return None
            answers.append(delivery)
            if first_only:
                return answers
    finally:
        waiting.cancel()


def _root() -> GraphQLObjectType:
    root = SCHEMA._schema.subscription_type
    assert root is not None
    return root


def _selection(type_: Any, depth: int) -> str:
    parts: list[str] = []
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        if name in FLEETING or any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if is_leaf_type(named):
            parts.append(name)
        elif is_object_type(named) and depth > 1:
            parts.append(f"{name} {_selection(named, depth - 1)}")
    return f"{{ {' '.join(parts)} }}"
