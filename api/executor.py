"""The execution of one operation: graphql-core's, with a short way for fields that only read something.

Every other field, and whatever is out of the ordinary (a null where none may be, a value that does not
serialize), goes graphql-core's own way, which also words the errors.
"""

from collections.abc import Awaitable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from types import CoroutineType
from typing import Any, cast

from graphql import ExecutionResult, GraphQLError, GraphQLField, GraphQLObjectType
from graphql.execution import Executor
from graphql.execution.collect_fields import (
    CollectedFields,
    FieldDetailsList,
    GroupedFieldSet,
    collect_fields,
)
from graphql.execution.executor import CollectedErrors
from graphql.pyutils import Path, Undefined, gather_with_cancel
from graphql.pyutils.is_awaitable import is_awaitable

from api.plans import Plan, Plans

_NO_PLANS: Mapping[str, Plan] = {}

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
    """One execution. `plans` and `collected` are set once it is built."""

    plans: Plans
    collected: Collected

    def knowing(self, plans: Plans, collected: Collected) -> "Execution":
        """Take what is known of the schema and of the document; returns itself."""
        self.plans = plans
        self.collected = collected
        self._relevant_sub_fields = collected.below
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
        if not self.collected.lasting:
            executor.knowing(self.plans, Collected())
        return executor

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> Any:
        """Answer the fields of one object: a dict, or an awaitable of it."""
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
        return self._gathered(results, waiting) if waiting else results

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

    def _complete_list(
        self, of_type: GraphQLObjectType, items: list[Any], fields: GroupedFieldSet, path: Path
    ) -> Any:
        results: list[Any] = []
        waiting: list[int] = []
        try:
            for index, item in enumerate(items):
                value = self.execute_fields(of_type, item, Path(path, index, None), fields, None)
                results.append(value)
                if value.__class__ is CoroutineType:
                    waiting.append(index)
        except GraphQLError:
            if waiting:
                self.settle_in_background([results[index] for index in waiting])
            raise
        return self._gathered(results, waiting) if waiting else results

    async def _located(
        self, plan: Plan, result: Awaitable[Any], details: FieldDetailsList, path: Path
    ) -> Any:
        try:
            return await result
        except GraphQLError as error:
            self.handle_field_error(error, plan.field_type, details, path)
            return None

    async def _gathered(self, results: Any, waiting: list[Any]) -> Any:
        """Wait for the parts of `results` (a dict or a list) that are not there yet."""
        if len(waiting) == 1:
            results[waiting[0]] = await results[waiting[0]]
            return results
        values = await gather_with_cancel(*(results[key] for key in waiting))
        for key, value in zip(waiting, values, strict=True):
            results[key] = value
        return results

    async def _finish(self, data: Awaitable[Any]) -> ExecutionResult:
        try:
            answer = await data
        except GraphQLError as error:
            self.collected_errors.add(error, None)
            answer = None
        return ExecutionResult(answer, self.collected_errors.errors or None)
