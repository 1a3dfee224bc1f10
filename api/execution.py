"""Running GraphQL: one way for every transport, straight on graphql-core over the Strawberry schema."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, cast

import strawberry
import structlog
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationDefinitionNode
from graphql.execution import create_source_event_stream, execute_subscription_event

from api.context import RequestContext
from api.documents import SECRET_NAMES, DocumentRefused, Documents, PreparedDocument
from api.executor import Execution
from api.faults import Fault, RequestRefused, fault, fault_of, internal
from api.inputs import problem_of
from api.limits import Limits, QueryTooCostly
from api.plans import plan_fields
from api.sharing import SHARING_KEY, Sharing
from domain.kernel.errors import AccessDenied, DomainError
from persistence.outages import is_outage
from realtime.cursors import Discontinued, FeedError
from realtime.operations import Delivery, OperationRequest

log = structlog.get_logger(__name__)

# How long an event waits for a database that is away: 15 s in all.
_OUTAGE_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)

Answer = dict[str, Any]
"""A GraphQL response as clients read it; `data` is absent when the request was refused."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A request that may run: its document is valid and within bounds."""

    document: PreparedDocument
    definition: OperationDefinitionNode
    variables: Mapping[str, Any]
    cost: int

    @property
    def kind(self) -> str:
        """Say query, mutation or subscription."""
        return self.definition.operation.value

    @property
    def name(self) -> str | None:
        """The operation's own name, if the client gave one."""
        return self.definition.name.value if self.definition.name else None

    @property
    def names_secrets(self) -> bool:
        """Whether a cart or order token is among what it sends."""
        return self.document.names_secrets or _has_secret_key(self.variables)


class Engine:
    """The schema, ready to answer; one a process, told nothing of HTTP or websockets."""

    def __init__(self, schema: strawberry.Schema, limits: Limits | None = None) -> None:
        """Take the schema and the bounds of one request."""
        self._schema = schema._schema  # noqa: SLF001 - Strawberry names the graphql-core schema so
        self._plans = plan_fields(self._schema)
        bounds = limits or Limits()
        self._documents = Documents(self._schema, bounds)
        self._most_fields = bounds.answer
        self._sharing = _sharing_of(self._schema)

    def prepare(self, request: OperationRequest, request_id: str) -> Operation:
        """Return the operation that `request` names, valid and within bounds.

        Raises RequestRefused.
        """
        try:
            document = self._documents.prepare(request.query)
            definition = document.operation(request.operation_name)
            cost = document.cost(definition, request.variables)
        except QueryTooCostly as error:
            raise RequestRefused([fault("QUERY_TOO_COSTLY", str(error))]) from None
        except DocumentRefused as error:
            raise RequestRefused([fault_of(each, request_id) for each in error.errors]) from None
        except GraphQLError as error:
            raise RequestRefused([fault_of(error, request_id)]) from None
        if (problem := problem_of(request.variables, document.uses)) is not None:
            raise RequestRefused([fault("BAD_USER_INPUT", problem)])
        return Operation(document, definition, request.variables, cost)

    async def execute(self, operation: Operation, context: RequestContext) -> Answer:
        """Run a query or mutation; never raises for anything a client or resolver did wrong."""
        request_id = context.service.request_id
        executor = self._executor(operation, context)
        if isinstance(executor, list):
            return {"errors": [fault_of(error, request_id) for error in executor]}
        try:
            result = executor.execute_operation()
            if isawaitable(result):
                result = await result
        except Exception as error:
            log.exception("operation_failed", request_id=request_id)
            return {"errors": [internal(error, request_id)]}
        return _answer(cast("ExecutionResult", result), operation, request_id)

    def sharing(self, operation: Operation) -> Sharing:
        """Return how a subscription is shared and delivered."""
        return self._sharing[operation.document.root_field(operation.definition).name.value]

    async def subscribe(self, operation: Operation, context: RequestContext) -> AsyncGenerator[Delivery]:
        """Run a subscription: its answers as they come.

        Raises RequestRefused when it cannot start (bad variables, not allowed, a bad cursor).
        """
        request_id = context.service.request_id
        executor = self._executor(operation, context)
        if isinstance(executor, list):
            raise RequestRefused([fault_of(error, request_id) for error in executor])
        stream = create_source_event_stream(executor)
        if isawaitable(stream):
            stream = await stream
        if isinstance(stream, ExecutionResult):
            raise RequestRefused([fault_of(error, request_id) for error in stream.errors or ()])
        return self._events(executor, cast("AsyncIterator[Any]", stream), operation, request_id)

    async def _events(
        self,
        executor: Execution,
        stream: AsyncIterator[Any],
        operation: Operation,
        request_id: str,
    ) -> AsyncGenerator[Delivery]:
        conflate_by = self.sharing(operation).conflate_by
        try:
            async for payload in stream:
                answer = await _event(executor, payload, operation, request_id)
                slot = None if conflate_by is None else conflate_by(payload)
                cursor, occurred_at = getattr(payload, "cursor", None), getattr(payload, "occurred_at", None)
                yield Delivery(answer, cursor, slot, occurred_at)
        except (AccessDenied, DomainError, FeedError) as error:
            located = GraphQLError(error.message, executor.operation, original_error=error)
            yield Delivery({"errors": [fault_of(located, request_id)]})
        except Exception as error:
            if is_outage(error):
                log.warning("subscription_interrupted", request_id=request_id, error=type(error).__name__)
                yield Delivery({"errors": [fault(Discontinued.code, "resume from the last cursor")]})
                return
            log.exception("subscription_failed", request_id=request_id)
            yield Delivery({"errors": [internal(error, request_id)]})
        finally:
            if close := getattr(stream, "aclose", None):
                await close()

    def _executor(self, operation: Operation, context: RequestContext) -> list[GraphQLError] | Execution:
        built = Execution.build(
            self._schema,
            operation.document.document,
            None,
            context,
            cast("dict[str, Any]", operation.variables),
            operation.definition.name.value if operation.definition.name else None,
            hide_suggestions=True,
            max_coercion_errors=20,
        )
        if isinstance(built, list):
            return built
        collected = operation.document.collected(operation.definition)
        return cast("Execution", built).knowing(self._plans, collected, self._most_fields)


def _sharing_of(schema: GraphQLSchema) -> dict[str, Sharing]:
    """Return how each subscription field of a schema is shared; one that does not say so is not."""
    fields = schema.subscription_type.fields if schema.subscription_type is not None else {}
    declared = {name: field.extensions["strawberry-definition"].metadata for name, field in fields.items()}
    return {name: metadata.get(SHARING_KEY, Sharing()) for name, metadata in declared.items()}


async def _event(executor: Execution, payload: Any, operation: Operation, request_id: str) -> Answer:
    """Execute one event, again while the database is away: an event must not be lost to a restart."""
    pauses_seconds = iter(_OUTAGE_PAUSES_SECONDS)
    while True:
        result = execute_subscription_event(executor.build_per_event_executor(payload))
        if isawaitable(result):
            result = await result
        answer = _answer(result, operation, request_id)
        if not _retryable(answer):
            return answer
        if (pause_seconds := next(pauses_seconds, None)) is None:
            raise Discontinued("the database is away: resume from the last cursor")
        await asyncio.sleep(pause_seconds)


def _retryable(answer: Answer) -> bool:
    return any(error["extensions"].get("retryable") for error in answer.get("errors", ()))


def _answer(result: ExecutionResult, operation: Operation, request_id: str) -> Answer:
    answer: Answer = {"data": result.data}
    if result.errors:
        faults: list[Fault] = [fault_of(error, request_id) for error in result.errors]
        answer["errors"] = faults
    answer["extensions"] = {"cost": operation.cost}
    return answer


def _has_secret_key(variables: Mapping[str, Any]) -> bool:
    stack: list[Any] = [variables]
    while stack:
        value = stack.pop()
        if isinstance(value, Mapping):
            if not SECRET_NAMES.isdisjoint(value):
                return True
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
    return False
