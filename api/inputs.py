"""What a request sends along with its document: bounds that hold before anything looks at it closely.

Coercing a value and building the input object it belongs to takes some 7 microseconds, and the second
is done again wherever the variable is used, all in one go: a body of 4 MiB would hold everybody up for
seconds. So values are counted, once for each use. What stands in the document itself is bounded by its
tokens, and only a default value that is used over and over has to be counted too.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from graphql import (
    DocumentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    Visitor,
    visit,
)

MOST_VALUES = 10_000
"""Entries of lists and objects in all variables: a cart of 1,500 lines has 6,000, a product of 200
variants that are priced in eight channels 10,000."""


class _Uses(Visitor):
    """Counts where variables stand."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.found[node.name.value] += 1


def uses_of(document: DocumentNode) -> Mapping[str, int]:
    """Return how often each variable is used."""
    visitor = _Uses()
    visit(document, visitor)
    uses = visitor.found
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            uses.subtract(
                definition.variable.name.value for definition in operation.variable_definitions or ()
            )
    return uses


def default_values(operation: OperationDefinitionNode, uses: Mapping[str, int]) -> int:
    """Return how many values the defaults of an operation's variables make, once for each use."""
    return sum(
        _size(definition.default_value) * uses[definition.variable.name.value]
        for definition in operation.variable_definitions or ()
        if definition.default_value is not None
    )


def problem_of(variables: Mapping[str, Any], uses: Mapping[str, int]) -> str | None:
    """Say which of the variables cannot be used and why, or None; deep input never recurses.

    No string may have a character that PostgreSQL cannot store.
    """
    left = MOST_VALUES
    for name, given in variables.items():
        times = max(1, uses.get(name, 1))
        stack: list[tuple[str, Any]] = [(f"variables.{name}", given)]
        while stack:
            path, value = stack.pop()
            if isinstance(value, str):
                if "\0" in value:
                    return f"{path} contains a character that no text may have (NUL)"
            elif isinstance(value, Mapping | list):
                left -= len(value) * times
                if left < 0:
                    return f"variables.{name} has too many values: {MOST_VALUES} are allowed in one request"
                if isinstance(value, list):
                    stack.extend((f"{path}[{index}]", item) for index, item in enumerate(value))
                else:
                    stack.extend((f"{path}.{key}", item) for key, item in value.items())
    return None


def _size(default: ValueNode) -> int:
    """Return how many entries the lists and objects of a literal have."""
    size = 0
    stack = [default]
    while stack:
        value = stack.pop()
        if isinstance(value, ListValueNode):
            inner = list(value.values)
        elif isinstance(value, ObjectValueNode):
            inner = [field.value for field in value.fields]
        else:
            continue
        size += len(inner)
        stack.extend(inner)
    return size
