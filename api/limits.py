"""What one GraphQL document may be: bounds that hold before anything expensive looks at it.

Parsing is linear to the number of tokens. Validation is not: its merge rule compares every two fields
that answer under the same name at the same place, so those pairs are counted, and bounded, beforehand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    SelectionSetNode,
)


class QueryTooCostly(Exception):
    """The document asks for more than one request may; the message says which limit and what it is."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one document and its answer. `cost` and `answer` are in fields, `length` in characters."""

    length: int = 100_000
    tokens: int = 8_000
    definitions: int = 64
    variables: int = 250
    aliases: int = 250
    fields: int = 8_000
    pairs: int = 30_000
    depth: int = 20
    cost: int = 50_000
    mutations: int = 100
    answer: int = 200_000

    @classmethod
    def of_cost(cls, cost: int) -> "Limits":
        """Return the bounds of a deployment whose operations may cost `cost`.

        The answer may really have four times as much: the cost assumes plain lists of ten, and a cart
        of 1,500 lines with all their fields must be let through.
        """
        return cls(cost=cost, answer=4 * cost)


def check_shape(document: DocumentNode, limits: Limits) -> None:
    """Raise QueryTooCostly when the document is out of bounds, whatever the schema and the variables."""
    if len(document.definitions) > limits.definitions:
        raise QueryTooCostly(f"the document has more than {limits.definitions} operations and fragments")
    for definition in document.definitions:
        if len(getattr(definition, "variable_definitions", None) or ()) > limits.variables:
            raise QueryTooCostly(f"the document has more than {limits.variables} variables")
    if sum(field.alias is not None for field in fields_as_written(document)) > limits.aliases:
        raise QueryTooCostly(f"the document has more than {limits.aliases} aliases")


def check_operation(document: DocumentNode, operation: OperationDefinitionNode, limits: Limits) -> None:
    """Raise QueryTooCostly when one operation, its fragments spread out, is out of bounds."""
    fragments = _fragments(document)
    level = _merged([operation.selection_set], fragments)
    if operation.operation.value == "mutation" and len(level) > limits.mutations:
        raise QueryTooCostly(f"a request may have at most {limits.mutations} mutations")
    fields = pairs = 0
    stack = [(level, 1)]
    while stack:
        level, depth = stack.pop()
        if depth > limits.depth:
            raise QueryTooCostly(f"the document is nested deeper than {limits.depth} levels")
        for nodes in level.values():
            fields += len(nodes)
            pairs += len(nodes) * (len(nodes) - 1) // 2
            if below := [node.selection_set for node in nodes if node.selection_set is not None]:
                stack.append((_merged(below, fragments), depth + 1))
        if fields > limits.fields:
            raise QueryTooCostly(f"the document asks for more than {limits.fields} fields")
        if pairs > limits.pairs:
            raise QueryTooCostly("the document asks for the same fields too often")


def root_fields(document: DocumentNode, operation: OperationDefinitionNode) -> dict[str, list[FieldNode]]:
    """Return the root fields of an operation, its fragments spread out, by the name they answer under."""
    return _merged([operation.selection_set], _fragments(document))


def fields_as_written(document: DocumentNode) -> Iterator[FieldNode]:
    """Return every field of the document once, those of fragments too, wherever they are spread."""
    stack = [
        definition.selection_set
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while stack:
        for selection in stack.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection
            if nested := getattr(selection, "selection_set", None):
                stack.append(nested)


def _fragments(document: DocumentNode) -> dict[str, SelectionSetNode]:
    return {
        definition.name.value: definition.selection_set
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }


def _merged(
    selection_sets: list[SelectionSetNode], fragments: Mapping[str, SelectionSetNode]
) -> dict[str, list[FieldNode]]:
    """Return the fields that stand at one place of the answer, by the name they answer under."""
    fields: dict[str, list[FieldNode]] = {}
    spread: set[str] = set()
    stack = list(selection_sets)
    while stack:
        for selection in stack.pop().selections:
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, []).append(selection)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in spread and name in fragments:
                    spread.add(name)
                    stack.append(fragments[name])
            else:
                stack.append(selection.selection_set)  # type: ignore[attr-defined]
    return fields
