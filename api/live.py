"""GraphQL for the live transports: who is connected, and how what they ask is run."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson
import structlog
from graphql import NonNullTypeNode, StringValueNode, VariableNode
from starlette.types import Scope as ASGIScope

from api.auth import Authenticator, TooManyAttempts
from api.context import Following, RequestContext
from api.execution import Answer, Engine, Operation
from api.faults import RequestRefused, fault, internal
from api.rate_limit import RateLimiter
from domain.kernel.errors import AccessDenied
from persistence.outages import is_outage
from realtime.batches import Batches
from realtime.feed import Feed
from realtime.operations import (
    CredentialsRefused,
    Delivery,
    GraphQL,
    OperationRefused,
    OperationRequest,
    Single,
    Source,
    Start,
    Unavailable,
)
from services.access import Actor
from services.context import Environment, ServiceContext

log = structlog.get_logger(__name__)

_DRAIN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LiveViewer:
    """Who is connected: an actor, at an address."""

    actor: Actor
    address: str
    expires_at: float | None = None
    rests_on: frozenset[str] = frozenset()

    @property
    def key(self) -> str:
        """Whose connections and requests count together: an app's, a customer's, else an address's."""
        return self.actor.label if self.actor.id else self.address

    @property
    def grant(self) -> Hashable:
        """What they may see."""
        return self.actor


class LiveGraphQL:
    """What bootstrap hands to the live transports, as `realtime` may not know GraphQL itself."""

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        authenticator: Authenticator,
        limiter: RateLimiter,
        feed: Feed,
        *,
        time_limit_seconds: float = 30.0,
    ) -> None:
        """Take what every operation needs; queries and mutations may take `time_limit_seconds`."""
        self._engine = engine
        self._environment = environment
        self._authenticator = authenticator
        self._limiter = limiter
        self._feed = feed
        self._batches = Batches()
        self._time_limit_seconds = time_limit_seconds
        self._unfinished: set[asyncio.Task[Answer]] = set()

    def handed(self) -> GraphQL:
        """Return the functions that a transport is handed."""
        return GraphQL(self.authenticate, self.authenticate_again, self.plan)

    async def authenticate(self, credentials: str | None, scope: ASGIScope) -> LiveViewer:
        """Return who connects; raises CredentialsRefused or Unavailable."""
        return await self._viewer(credentials, scope, charged=True)

    async def authenticate_again(self, credentials: str | None, scope: ASGIScope) -> LiveViewer:
        """Return who is connected, whatever its rate: nobody keeps a connection by asking too often."""
        return await self._viewer(credentials, scope, charged=False)

    async def _viewer(self, credentials: str | None, scope: ASGIScope, *, charged: bool) -> LiveViewer:
        address = _address(scope)
        try:
            found = await self._authenticator.bearer(credentials, address if charged else None)
            ends = found.expires_at.timestamp() if found.expires_at else None
            return LiveViewer(found.actor, address, ends, found.rests_on)
        except TooManyAttempts as denied:
            raise Unavailable(denied.message) from None
        except AccessDenied as denied:
            raise CredentialsRefused(denied.message) from None
        except Exception as error:
            if not is_outage(error):
                raise
            log.warning("credentials_not_checked", error=type(error).__name__)
            raise Unavailable("the service is temporarily unavailable, connect again") from None

    def plan(self, request: OperationRequest, viewer: LiveViewer, request_id: str) -> Source | Single:
        """Make a request ready to run for a viewer; raises OperationRefused."""
        wait_seconds = self._limiter.wait_seconds(viewer.key)
        if wait_seconds > 0:
            seconds = max(1, round(wait_seconds))
            message = f"too many requests, try again in {seconds} s"
            raise OperationRefused([fault("RATE_LIMITED", message, retryAfterSeconds=seconds)])
        try:
            operation = self._engine.prepare(request, request_id)
        except RequestRefused as refused:
            raise OperationRefused(refused.errors) from None
        if operation.kind == "subscription":
            return self._source(operation, request, viewer, request_id)
        run = partial(self._once, operation, viewer, request_id)
        if operation.kind == "mutation":
            return Single(partial(self._to_the_end, run), changes=True)
        return Single(run, changes=False)

    async def finish(self) -> None:
        """Wait for mutations under way; before the database is closed."""
        if self._unfinished:
            await asyncio.wait(list(self._unfinished), timeout=_DRAIN_SECONDS)

    def _source(
        self, operation: Operation, request: OperationRequest, viewer: LiveViewer, request_id: str
    ) -> Source:
        sharing = self._engine.sharing(operation)
        acting = sharing.scope.actor(viewer.actor)
        run = partial(self._follow, operation, acting, request_id)
        resumed = _resumed(operation)
        shares = sharing.scope.shares and resumed.fits
        key = _key(request, resumed.variable, acting) if shares else None
        conflated = sharing.conflate_by is not None
        return Source(run, key, resumed.after, conflated=conflated, owner=viewer.key)

    async def _follow(
        self, operation: Operation, acting: Actor, request_id: str, start: Start
    ) -> AsyncGenerator[Delivery]:
        service = ServiceContext(self._environment, acting, request_id)
        context = RequestContext.of(service, Following(self._feed, self._batches, start))
        try:
            deliveries = await self._engine.subscribe(operation, context)
        except RequestRefused as refused:
            yield Delivery({"errors": refused.errors})
            return
        async with aclosing(deliveries):
            async for delivery in deliveries:
                yield delivery

    async def _once(self, operation: Operation, viewer: LiveViewer, request_id: str) -> Answer:
        service = ServiceContext(self._environment, viewer.actor, request_id, viewer.address)
        context = RequestContext.of(service)
        try:
            async with asyncio.timeout(self._time_limit_seconds):
                return await self._engine.execute(operation, context)
        except TimeoutError as error:
            log.warning("operation_took_too_long", request_id=request_id)
            return {"errors": [internal(error, request_id)]}

    async def _to_the_end(self, run: Callable[[], Any]) -> Answer:
        """Run though the client leaves meanwhile: a mutation is not stopped halfway."""
        running = asyncio.create_task(run())
        self._unfinished.add(running)
        running.add_done_callback(self._unfinished.discard)
        return await asyncio.shield(running)


def _address(scope: ASGIScope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _key(request: OperationRequest, left_out: str | None, acting: Actor) -> Hashable | None:
    """Return what is equal for equal subscriptions; None shares with nobody."""
    variables = {name: value for name, value in request.variables.items() if name != left_out}
    try:
        canonical = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return None  # Nested deeper than it writes, though it read it: the run tells what is wrong.
    return request.query, request.operation_name, canonical, acting


class _Resumed(NamedTuple):
    """How a subscription says where it goes on.

    `variable` is the one that says no more than that. What `fits` not will be refused, and that is to
    be nobody else's refusal.
    """

    after: str | None = None
    variable: str | None = None
    fits: bool = True


def _resumed(operation: Operation) -> _Resumed:
    """Return the cursor that a subscription resumes from; a text that is none is left to the run."""
    value = operation.document.resumes_by(operation.definition)
    if not isinstance(value, VariableNode):
        return _Resumed(value.value) if isinstance(value, StringValueNode) else _Resumed()
    name = value.name.value
    definitions = operation.definition.variable_definitions or ()
    defined = next(one for one in definitions if one.variable.name.value == name)
    given = operation.variables.get(name, ...)
    if given is ... and isinstance(defined.default_value, StringValueNode):
        given = defined.default_value.value
    alone = name if operation.document.uses_of(name) == 1 else None
    if isinstance(given, str):
        return _Resumed(given, alone)
    missing = given is None or given is ...
    return _Resumed(None, alone, missing and not isinstance(defined.type, NonNullTypeNode))
