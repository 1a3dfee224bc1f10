"""The only way to declare a root field: it names who may use it, and user errors become payloads."""

import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import Any

import strawberry

from api.context import Info
from api.errors import user_errors
from api.sharing import SHARING_KEY, Scope, Sharing
from domain.kernel.errors import DomainError
from services import access
from services.access import Permission


class Openness(Enum):
    """Who may use a root field that no permission guards."""

    PUBLIC = "anyone"
    TOKEN = "who holds the aggregate's secret token, or is its customer (checked by the use case)"  # noqa: S105 - not a secret
    CUSTOMER = "a customer who is signed in; there is none to anybody else (checked by the use case)"


Access = Permission | frozenset[Permission] | Openness
"""One permission, some of which any suffices, or none."""
PUBLIC = Openness.PUBLIC
TOKEN = Openness.TOKEN
CUSTOMER = Openness.CUSTOMER


@dataclass(frozen=True, slots=True)
class OwnOr:
    """Customers, who are shown what is their own (checked by the use case), and who has the permission."""

    permission: Permission


ACCESS_KEY = "ordertide.access"
"""Where a root field's declared access is kept in its metadata; a test walks the schema for it."""


def query(access_rule: Access | OwnOr) -> Callable[[Callable[..., Awaitable[Any]]], Any]:
    """Declare a query field that `access_rule` guards."""

    def decorate(resolver: Callable[..., Awaitable[Any]]) -> Any:
        @functools.wraps(resolver)
        async def run(*args: Any, **kwargs: Any) -> Any:
            check(kwargs["info"], access_rule)
            return await resolver(*args, **kwargs)

        return strawberry.field(
            resolver=run, metadata={ACCESS_KEY: access_rule}, description=resolver.__doc__
        )

    return decorate


def mutation(payload: type, access_rule: Access | OwnOr) -> Callable[[Callable[..., Awaitable[Any]]], Any]:
    """Declare a mutation whose domain errors answer as `payload(user_errors=[...])`."""

    def decorate(resolver: Callable[..., Awaitable[Any]]) -> Any:
        @functools.wraps(resolver)
        async def run(*args: Any, **kwargs: Any) -> Any:
            check(kwargs["info"], access_rule)
            try:
                return await resolver(*args, **kwargs)
            except DomainError as error:
                return payload(user_errors=user_errors(error))

        return strawberry.mutation(
            resolver=run, metadata={ACCESS_KEY: access_rule}, description=resolver.__doc__
        )

    return decorate


def subscription(
    access_rule: Access,
    scope: Scope = Scope.UNSHARED,
    *,
    conflate_by: Callable[[Any], Hashable] | None = None,
) -> Callable[[Callable[..., AsyncGenerator[Any]]], Any]:
    """Declare a subscription field that `access_rule` guards.

    It is checked when a run starts; who loses the permission later loses the connection with it
    (`WebSocketTransport.revoke`), before the next event.

    `scope` says who may share its runs. Readers get every value, or with `conflate_by` the newest of
    each key; values that all must get have a `cursor`.
    """

    def decorate(resolver: Callable[..., AsyncGenerator[Any]]) -> Any:
        @functools.wraps(resolver)
        async def run(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
            check(kwargs["info"], access_rule)
            async with aclosing(resolver(*args, **kwargs)) as events:
                async for event in events:
                    yield event

        return strawberry.subscription(
            resolver=run,
            metadata={ACCESS_KEY: access_rule, SHARING_KEY: Sharing(scope, conflate_by)},
            description=resolver.__doc__,
        )

    return decorate


def check(info: Info, access_rule: Access | OwnOr) -> None:
    """Raise AccessDenied unless the actor may use the field."""
    if isinstance(access_rule, OwnOr):
        if info.context.actor.customer_id is not None:
            return
        access_rule = access_rule.permission
    if isinstance(access_rule, Permission):
        access.require(info.context.actor, access_rule)
    elif isinstance(access_rule, frozenset):
        access.require(info.context.actor, *sorted(access_rule))
