"""The execution of one operation: graphql-core's, with a short way for fields that only read something.

Every other field, and whatever is out of the ordinary (a null where none may be, a value that does not
serialize), goes graphql-core's own way, which also words the errors.

What is answered is counted: no cost worked out beforehand knows how long a plain list is, so an operation
whose answer grows past its bound is given up, and one with much to answer lets others have their turn.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, cast

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    is_non_null_type,
    is_object_type,
    located_error,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    GroupedFieldSet,
    collect_fields,
)
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path, Undefined
from graphql.pyutils.is_awaitable import is_awaitable

from api.limits import Limits, QueryTooCostly
from api.plans import Plan, Plans

_NO_PLANS: Mapping[str, Plan] = {}
# What is counted beside the fields themselves, in fields that take as long: an entry of a list, which
# was read and built for it, and a field that has to wait for what it answers.
_OF_AN_ENTRY = 10
_OF_WAITING = 20
_IN_ONE_GO = 5_000
"""How much is answered before whoever else waits for the event loop has a turn: some 10 ms."""

# What fails on the short way is tried once more on the usual one, which reports it in its place.
_READ_AGAIN = suppress(Exception)


@dataclass(slots=True)
class Collected:
    """Which fields stand where in an operation.

    Kept between executions of the same document when no directive can change it (@skip, @include).
    """

    lasting: bool = False
    root: CollectedFields | None = None
    below: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, CollectedFields]] = field(
        default_factory=dict
    )


class Execution(Executor[Any]):
    """One execution. What `knowing` takes is set once it is built."""

    plans: Plans
    collected: Collected
    _most: int
    """Up to where it is counted before the operation is given up."""
    _answered: int
    """Fields answered so far. They are counted by the object, which costs nothing beside answering them."""
    _pause_at: int
    _turn: asyncio.Lock | None
    _outermost: "asyncio.Future[list[Any]] | None"
    """Under it is everything that is waited for: cancelling it stops the whole operation."""

    def knowing(self, plans: Plans, collected: Collected, most_fields: int = Limits().answer) -> "Execution":
        """Take what is known of the schema and of the document, nothing answered yet; returns itself."""
        self._answered = 0
        self._pause_at = _IN_ONE_GO
        self._turn = self._outermost = None
        self.plans = plans
        self.collected = collected
        self._relevant_sub_fields = collected.below
        self._most = most_fields
        return self

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Return the result, or an awaitable of it; never raises for what fields did wrong."""
        operation = self.operation
        root_type = cast("GraphQLObjectType", self.schema.get_root_type(operation.operation))
        collected = self.collected.root
        if collected is None:
            collected = self.collected.root = collect_fields(
                self.schema, self.fragments, self.variable_values, root_type, operation, True
            )
        if serially is None:
            serially = operation.operation.value == "mutation"
        try:
            data = self.execute_root_grouped_field_set(
                root_type, self.root_value, collected.grouped_field_set, serially, None
            )
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            return ExecutionResult(None, self.collected_errors.errors)
        if is_awaitable(data):
            return self._finish(data)
        return ExecutionResult(cast("dict[str, Any]", data), self.collected_errors.errors or None)

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Return the executor of one event of a subscription.

        It gets a context of its own, so that no loader shows again what it read for an earlier event.
        Where directives forbid keeping collected fields, it starts without any: graphql-core's own
        executor shares that cache between events while its keys are made anew for each, so that it
        grows for as long as the subscription lives.
        """
        executor = copy(self)
        executor.root_value = payload
        executor.collected_errors = CollectedErrors()
        executor.context_value = self.context_value.renewed()
        collected = self.collected if self.collected.lasting else Collected()
        return executor.knowing(self.plans, collected, self._most)

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> Any:
        """Answer the fields of one object: a dict, or an awaitable of it."""
        answered = self._answered = self._answered + len(grouped_field_set)
        if answered > self._most:
            raise self._give_up()
        plans = self.plans.get(parent_type.name, _NO_PLANS)
        results: dict[str, Any] = {}
        waiting: list[str] = []
        try:
            for name, details in grouped_field_set.items():
                plan = plans.get(details[0].node.name.value)
                if (
                    plan is None
                    or (value := self._read(plan, parent_type, source_value, details, path, name))
                    is Undefined
                ):
                    field_path = Path(path, name, parent_type.name)
                    value = self.execute_field(
                        parent_type, source_value, details, field_path, position_context
                    )
                    if value is Undefined:
                        continue
                results[name] = value
                if value.__class__ is CoroutineType or (plan is None and is_awaitable(value)):
                    waiting.append(name)
        except Exception:
            if waiting:
                self.settle_in_background([results[name] for name in waiting])
            raise
        if not waiting:
            return results
        self._answered += _OF_WAITING * len(waiting)
        return self._gathered(results, waiting)

    def _read(
        self,
        plan: Plan,
        parent_type: GraphQLObjectType,
        source: Any,
        details: FieldDetailsList,
        path: Path | None,
        name: str,
    ) -> Any:
        """Answer one planned field, or Undefined when it has to go the usual way."""
        value: Any = Undefined
        with _READ_AGAIN:
            value = plan.read(source)
            if plan.serialize is not None and value is not None:
                return value if value.__class__ is plan.same else plan.serialize(value)
        if value is None:
            return None if plan.nullable else Undefined
        if value is Undefined or plan.serialize is not None:
            return Undefined
        field_path = Path(path, name, parent_type.name)
        if plan.is_method and is_awaitable(value):
            return self._complete_later(plan, parent_type, value, details, field_path)
        if plan.is_list:
            if value == []:
                return value
            if plan.of_type is None or value.__class__ is not list or None in value:
                return Undefined
        return self._complete(plan, cast("GraphQLObjectType", plan.of_type), value, details, field_path)

    def _complete_later(
        self,
        plan: Plan,
        parent_type: GraphQLObjectType,
        value: Awaitable[Any],
        details: FieldDetailsList,
        path: Path,
    ) -> Any:
        nodes = [detail.node for detail in details]
        definition = cast("GraphQLField", self.schema.get_field(parent_type, nodes[0].name.value))
        info = self.build_resolve_info(definition, nodes, parent_type, path)
        return self.complete_awaitable_value(plan.field_type, details, info, path, value, None)

    def _complete(
        self, plan: Plan, of_type: GraphQLObjectType, value: Any, details: FieldDetailsList, path: Path
    ) -> Any:
        """Answer the fields of an object, or of each object of a list."""
        fields = self.collect_subfields(of_type, details).grouped_field_set
        try:
            if plan.is_list:
                result = self._complete_list(of_type, value, fields, path)
            else:
                result = self.execute_fields(of_type, value, path, fields, None)
        except GraphQLError as error:
            self.handle_field_error(error, plan.field_type, details, path)
            return None
        if result.__class__ is CoroutineType:
            return self._located(plan, result, details, path)
        return result

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Path,
        items: Any,
        position_context: Any,
    ) -> Any:
        """Answer a list that a resolver returned: the short way where it is one of objects."""
        if items.__class__ is list:
            of_type = item_type.of_type if is_non_null_type(item_type) else None
            if is_object_type(of_type) and None not in items:
                fields = self.collect_subfields(of_type, field_details_list).grouped_field_set
                return self._complete_list(of_type, items, fields, path)
            self._answered += _OF_AN_ENTRY * len(items)
            if self._answered > self._most:
                raise self._give_up()
        return super().complete_iterable_value(
            item_type, field_details_list, info, path, items, position_context
        )

    def _complete_list(
        self, of_type: GraphQLObjectType, items: list[Any], fields: GroupedFieldSet, path: Path
    ) -> Any:
        results: list[Any] = []
        waiting: list[int] = []
        self._answered += _OF_AN_ENTRY * len(items)
        if self._answered > self._most:
            raise self._give_up()
        try:
            for index, item in enumerate(items):
                if self._answered >= self._pause_at:
                    return self._complete_slowly(of_type, items, fields, path, results, waiting)
                value = self.execute_fields(of_type, item, Path(path, index, None), fields, None)
                results.append(value)
                if value.__class__ is CoroutineType:
                    waiting.append(index)
        except GraphQLError:
            if waiting:
                self.settle_in_background([results[index] for index in waiting])
            raise
        return self._gathered(results, waiting) if waiting else results

    async def _complete_slowly(
        self,
        of_type: GraphQLObjectType,
        items: list[Any],
        fields: GroupedFieldSet,
        path: Path,
        results: list[Any],
        waiting: list[int],
    ) -> Any:
        """Answer what is missing in `results`, a part at a time."""
        try:
            for index in range(len(results), len(items)):
                if self._answered >= self._pause_at:
                    await self._pause()
                value = self.execute_fields(of_type, items[index], Path(path, index, None), fields, None)
                results.append(value)
                if value.__class__ is CoroutineType:
                    waiting.append(index)
        except BaseException:
            if waiting:
                self.settle_in_background([results[index] for index in waiting])
            raise
        return await self._gathered(results, waiting) if waiting else results

    async def _pause(self) -> None:
        """Let everybody else have a turn; of what waits here for its own, one goes on at a time."""
        turn = self._turn
        if turn is None:
            turn = self._turn = asyncio.Lock()
        async with turn:
            await asyncio.sleep(0)
            self._pause_at = self._answered + _IN_ONE_GO

    def handle_field_error(
        self, raw_error: Exception, return_type: Any, field_details_list: FieldDetailsList, path: Path
    ) -> None:
        """Let an error end where null may stand; once the operation is given up, nowhere but at its root."""
        if self._answered > self._most:
            raise located_error(raw_error, [detail.node for detail in field_details_list], path.as_list())
        super().handle_field_error(raw_error, return_type, field_details_list, path)

    def _give_up(self) -> GraphQLError:
        """Return what ends the operation, and stop what it waits for."""
        if self._outermost is not None:
            # Once what is under it has begun: a coroutine that never begins is warned of.
            asyncio.get_running_loop().call_soon(self._outermost.cancel)
            self._outermost = None
        error = QueryTooCostly(
            f"the answer has more than {self._most} fields, which is more than one request may have"
        )
        return GraphQLError(str(error), original_error=error)

    async def _located(
        self, plan: Plan, result: Awaitable[Any], details: FieldDetailsList, path: Path
    ) -> Any:
        try:
            return await result
        except GraphQLError as error:
            self.handle_field_error(error, plan.field_type, details, path)
            return None

    async def _gathered(self, results: Any, waiting: list[Any]) -> Any:
        """Wait for the parts of `results` (a dict or a list) that are not there yet.

        When one fails the others still come to their end: to cancel a statement takes PostgreSQL
        longer than most statements do.
        """
        if len(waiting) == 1:
            results[waiting[0]] = await results[waiting[0]]
            return results
        everything = asyncio.gather(*(results[key] for key in waiting), return_exceptions=True)
        if self._outermost is None or self._outermost.done():
            self._outermost = everything
        try:
            values = await everything
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._answered <= self._most or task is None or task.cancelling():
                raise
            raise self._give_up() from None
        for key, value in zip(waiting, values, strict=True):
            if isinstance(value, BaseException):
                raise value
            results[key] = value
        return results

    async def _finish(self, data: Awaitable[Any]) -> ExecutionResult:
        try:
            answer = await data
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            answer = None
        return ExecutionResult(answer, self.collected_errors.errors or None)
