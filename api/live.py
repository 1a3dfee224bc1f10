"""GraphQL for the websocket transport: who is connected, in which context, and how operations run."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.types import Scope

from api.auth import Authenticator
from api.context import RequestContext
from api.execution import Answer, Engine, GraphQLRequest, Operation
from api.faults import RequestRefused, fault
from api.rate_limit import RateLimiter
from domain.kernel.errors import AccessDenied
from realtime.connection import GraphQL, Refused
from realtime.feed import Feed
from realtime.messages import OperationRequest
from services.access import Actor
from services.context import Environment, ServiceContext


@dataclass(frozen=True, slots=True)
class LiveViewer:
    """Who is connected: an actor, at an address."""

    actor: Actor
    address: str
    expires_at: float | None = None

    @property
    def key(self) -> str:
        """Whose connections and requests count together: an app's, else an address's."""
        return self.actor.label if self.actor.id else self.address


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """One operation's context, and whom it counts for."""

    context: RequestContext
    caller: str


class LiveGraphQL:
    """What bootstrap hands to the websocket transport, as `realtime` may not know GraphQL itself."""

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        authenticator: Authenticator,
        limiter: RateLimiter,
        feed: Feed,
    ) -> None:
        """Take what every operation needs."""
        self._engine = engine
        self._environment = environment
        self._authenticator = authenticator
        self._limiter = limiter
        self._feed = feed
        self._unfinished: set[asyncio.Task[Answer]] = set()

    def handed(self) -> GraphQL:
        """Return the three functions that the transport is handed."""
        return GraphQL(self.authenticate, self.context_for, self.execute)

    async def authenticate(self, payload: Mapping[str, Any], scope: Scope) -> LiveViewer:
        """Return who connects with the payload of connection_init; raises Refused.

        Browsers cannot set headers on a websocket, so the payload carries what the header would.
        """
        authorization = payload.get("authorization", payload.get("Authorization"))
        if authorization is not None and not isinstance(authorization, str):
            raise Refused("authorization must be a string")
        try:
            actor = await self._authenticator.actor(authorization)
        except AccessDenied as denied:
            raise Refused(denied.message) from None
        client = scope.get("client")
        return LiveViewer(actor, str(client[0]) if client else "unknown")

    def context_for(self, viewer: Any, request_id: str) -> LiveRequest:
        """Return the context of one operation."""
        service = ServiceContext(self._environment, viewer.actor, request_id, viewer.address)
        return LiveRequest(RequestContext.of(service, self._feed), viewer.key)

    async def execute(self, request: OperationRequest, live: LiveRequest) -> AsyncGenerator[Answer]:
        """Run an operation of any kind and yield its answers; one without data is the last."""
        wait_seconds = self._limiter.wait_seconds(live.caller)
        if wait_seconds > 0:
            seconds = max(1, round(wait_seconds))
            message = f"too many requests, try again in {seconds} s"
            yield {"errors": [fault("RATE_LIMITED", message, retryAfterSeconds=seconds)]}
            return
        asked = GraphQLRequest(request.query, request.operation_name, request.variables)
        try:
            operation = self._engine.prepare(asked, live.context.service.request_id)
            if operation.kind != "subscription":
                yield await self._once(operation, live.context)
                return
            answers = await self._engine.subscribe(operation, live.context)
        except RequestRefused as refused:
            yield {"errors": refused.errors}
            return
        async with aclosing(answers):
            async for answer in answers:
                yield answer

    async def _once(self, operation: Operation, context: RequestContext) -> Answer:
        """Run to the end even when the client leaves meanwhile: a mutation is not stopped halfway."""
        running = asyncio.create_task(self._engine.execute(operation, context))
        self._unfinished.add(running)
        running.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(running)
