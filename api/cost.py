"""What an operation costs: one rule, worked out in time linear to the document's length.

Cost is the number of fields an answer can have: every field counts 1, what stands below a connection
counts once for each node of the page asked for, what stands below a plain list counts `LIST_SIZE` times.
A fragment is weighed once however often it is spread, so that a bomb of fragments costs nothing to refuse.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from domain.kernel.pages import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE

LIST_SIZE = 10
"""Assumed length of a plain list, which has no page size: an order's lines, a product's variants."""

_INTROSPECTION_SIZES = {
    "types": 150,
    "fields": 8,
    "args": 2,
    "inputFields": 4,
    "enumValues": 4,
    "possibleTypes": 2,
}
_INTROSPECTION_DISCOUNT = 8
"""Assumed lengths of introspection's lists, and by how much they overestimate all together."""

_LONGEST_INT = 12  # Digits looked at: more make no difference, and converting thousands is slow.


class Weight(NamedTuple):
    """Fields in the answer, and levels of nesting."""

    cost: int
    depth: int


_NOTHING = Weight(0, 0)
_CAP = 10**12  # Where counting stops: a bomb's true figure has hundreds of digits.


def page_size_variables(fields: Iterable[FieldNode]) -> tuple[str, ...]:
    """Return the variables that stand for page sizes: what the cost of these fields depends on."""
    names: dict[str, None] = {}
    for field in fields:
        for argument in field.arguments or ():
            if argument.name.value == "first" and isinstance(argument.value, VariableNode):
                names[argument.value.name.value] = None
    return tuple(names)


def page_sizes(
    operation: OperationDefinitionNode, names: Iterable[str], variables: Mapping[str, Any]
) -> dict[str, int | None]:
    """Return what the variables `names` ask for; None leaves it to the field.

    It is read as the field will read it: one that is not given has its own default.
    """
    sizes: dict[str, int | None] = {}
    for name in names:
        if name in variables:
            sizes[name] = _size(variables[name])
        else:
            sizes[name] = _size_of_literal(_default_of(operation, name))
    return sizes


def weigh(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    sizes: Mapping[str, int | None],
) -> Weight:
    """Return the cost and depth of one operation whose variables ask for these page sizes.

    Never raises for a document that is not valid.
    """
    root = schema.get_root_type(operation.operation)
    if root is None:
        return _NOTHING
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    try:
        return _Scale(schema, fragments, sizes).selection(operation.selection_set, root)
    except RecursionError:
        return Weight(_CAP, _CAP)


class _Scale:
    """One weighing: the fragments of the document, each weighed once a type it is spread on."""

    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: Mapping[str, FragmentDefinitionNode],
        sizes: Mapping[str, int | None],
    ) -> None:
        self.schema = schema
        self.fragments = fragments
        self.sizes = sizes
        self.weighed: dict[str, Weight] = {}

    def selection(self, selection_set: SelectionSetNode, parent: GraphQLCompositeType) -> Weight:
        cost = depth = 0
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                weight = self.field(selection, parent)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                weight = self.selection(
                    selection.selection_set,
                    self.narrowed(condition.name.value if condition else None, parent),
                )
            elif isinstance(selection, FragmentSpreadNode):
                weight = self.fragment(selection.name.value, parent)
            else:
                continue
            cost = min(cost + weight.cost, _CAP)
            depth = max(depth, weight.depth)
        return Weight(cost, depth)

    def fragment(self, name: str, parent: GraphQLCompositeType) -> Weight:
        known = self.weighed.get(name)
        if known is not None:
            return known
        self.weighed[name] = _NOTHING  # A cycle adds nothing here; validation reports it.
        fragment = self.fragments.get(name)
        if fragment is None:
            return _NOTHING
        weight = self.selection(
            fragment.selection_set, self.narrowed(fragment.type_condition.name.value, parent)
        )
        self.weighed[name] = weight
        return weight

    def narrowed(self, name: str | None, parent: GraphQLCompositeType) -> GraphQLCompositeType:
        named = self.schema.get_type(name) if name else None
        return named if named is not None and is_composite_type(named) else parent

    def field(self, node: FieldNode, parent: GraphQLCompositeType) -> Weight:
        field = self.schema.get_field(parent, node.name.value)
        if field is None or node.selection_set is None:
            return Weight(1, 1)
        named = get_named_type(field.type)
        if not is_composite_type(named):
            return Weight(1, 1)
        below = self.selection(node.selection_set, named)
        if node.name.value in {"__schema", "__type"}:
            return Weight(1 + below.cost // _INTROSPECTION_DISCOUNT, below.depth + 1)
        times = self.times(node, field, parent)
        return Weight(min(1 + times * below.cost, _CAP), below.depth + 1)

    def times(self, node: FieldNode, field: GraphQLField, parent: GraphQLCompositeType) -> int:
        if "first" in field.args:
            return self.page_size(node, field)
        if not is_list_type(get_nullable_type(field.type)):
            return 1
        if parent.name.startswith("__"):
            return _INTROSPECTION_SIZES.get(node.name.value, 1)
        return 1 if parent.name.endswith("Connection") else LIST_SIZE

    def page_size(self, node: FieldNode, field: GraphQLField) -> int:
        asked: int | None = None
        for argument in node.arguments or ():
            if argument.name.value == "first":
                value = argument.value
                if isinstance(value, VariableNode):
                    asked = self.sizes.get(value.name.value)
                else:
                    asked = _size_of_literal(value)
        if asked is None:
            asked = _size(_default(field))
        return DEFAULT_PAGE_SIZE if asked is None else asked


def _default(field: GraphQLField) -> Any:
    argument = field.args["first"]
    return argument.default.value if argument.default is not None else argument.default_value


def _default_of(operation: OperationDefinitionNode, variable: str) -> ValueNode | None:
    for definition in operation.variable_definitions or ():
        if definition.variable.name.value == variable:
            return definition.default_value
    return None


def _size_of_literal(value: ValueNode | None) -> int | None:
    if value is None or isinstance(value, NullValueNode):
        return None
    if isinstance(value, IntValueNode) and len(value.value) < _LONGEST_INT:
        return _size(int(value.value))
    return MAX_PAGE_SIZE


def _size(value: Any) -> int | None:
    """Return the nodes of a page of this size, and as many as there may be for what is no whole number.

    Coercion takes some of that for a number (100.0), and refuses the rest.
    """
    if value is None or value is Undefined:
        return None
    return max(0, min(value, MAX_PAGE_SIZE)) if type(value) is int else MAX_PAGE_SIZE
