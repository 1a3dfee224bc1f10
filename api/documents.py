"""GraphQL documents made ready: parsed, measured and validated once, then remembered."""

import sys
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    StringValueNode,
    ValueNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from api import limits
from api.cost import Weight, page_size_variables, page_sizes, weigh
from api.executor import Collected
from api.inputs import MOST_VALUES, default_values, uses_of
from api.limits import Limits, QueryTooCostly

_RULES = (*specified_rules, MaybeNullValidationRule, OneOfInputValidationRule)
SECRET_NAMES = frozenset({"token", "cartToken", "orderToken", "refreshToken", "signInToken"})
"""Arguments and input fields that carry the secret tokens of carts, orders and customers."""

RESUME_ARGUMENT = "after"
"""The argument of a subscription that names the cursor to go on from."""

# What a document ready to run takes, measured with tracemalloc for documents of every shape: its tokens
# 330 to 640 bytes each with the fields collected of them and its weights, 3,000 whatever it says, and
# its source, whose comments are kept twice. A cache full of one kind took 10 to 21 MB, whichever it was.
_TOKEN_BYTES = 600
_DOCUMENT_BYTES = 3_000
_REMEMBERED_BYTES = 20_000_000
_REMEMBERED_WEIGHTS = 64


class PreparedDocument:
    """One valid document and what is known of it whatever its variables."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, bounds: Limits) -> None:
        """Measure the parts that do not depend on variables."""
        self.document = document
        self.operations = tuple(
            definition
            for definition in document.definitions
            if isinstance(definition, OperationDefinitionNode)
        )
        source = document.loc.source.body if document.loc else ""
        self.size = _DOCUMENT_BYTES + _TOKEN_BYTES * document.token_count + 2 * sys.getsizeof(source)
        self.uses = uses_of(document)
        self.names_secrets = _names_secrets(document)
        self._schema = schema
        self._bounds = bounds
        self.page_sizes = page_size_variables(limits.fields_as_written(document))
        self._collected = {id(operation): Collected(lasting=True) for operation in self.operations}
        self._lasting = not _has_directives(document)
        self._uses: Counter[str] | None = None
        self._weights: dict[tuple[int | None, ...], Weight] = {}

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation to run; raises GraphQLError when `name` does not tell which."""
        if name is None:
            if len(self.operations) == 1:
                return self.operations[0]
            raise GraphQLError(
                "the document has no operation"
                if not self.operations
                else "the document has several operations: operationName must say which"
            )
        for operation in self.operations:
            if operation.name is not None and operation.name.value == name:
                return operation
        raise GraphQLError("the document has no operation with this operationName")

    def collected(self, operation: OperationDefinitionNode) -> Collected:
        """Return where the operation keeps which fields it collects; anew where directives stand."""
        return self._collected[id(operation)] if self._lasting else Collected()

    def root_field(self, operation: OperationDefinitionNode) -> FieldNode:
        """Return the first field of an operation: of a subscription, the only one."""
        [first, *_] = limits.root_fields(self.document, operation).values()
        return first[0]

    def resumes_by(self, operation: OperationDefinitionNode) -> ValueNode | None:
        """Return what stands for `after` in a subscription, if it names it."""
        for argument in self.root_field(operation).arguments or ():
            if argument.name.value == RESUME_ARGUMENT:
                return argument.value
        return None

    def uses_of(self, variable: str) -> int:
        """Return how often the document uses a variable."""
        known = self._uses
        if known is None:
            counting = _Variables()
            visit(self.document, counting)
            known = self._uses = counting.uses
        return known[variable]

    def cost(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> int:
        """Return what the operation costs; raises QueryTooCostly."""
        sizes = page_sizes(operation, self.page_sizes, variables)
        key = (id(operation), *sizes.values())
        weight = self._weights.get(key)
        if weight is None:
            weight = weigh(self._schema, self.document, operation, sizes)
            if len(self._weights) < _REMEMBERED_WEIGHTS:
                self._weights[key] = weight
        if weight.depth > self._bounds.depth:
            raise QueryTooCostly(f"the document is nested deeper than {self._bounds.depth} levels")
        if weight.cost > self._bounds.cost:
            raise QueryTooCostly(
                f"the document costs {weight.cost}, more than the {self._bounds.cost} a request may cost"
            )
        return weight.cost


class Documents:
    """The documents of one schema, the most recently used kept ready (bounded by what they take)."""

    def __init__(self, schema: GraphQLSchema, bounds: Limits) -> None:
        """Start empty."""
        self._schema = schema
        self._bounds = bounds
        self._ready: OrderedDict[str, PreparedDocument] = OrderedDict()
        self._bytes = 0

    def prepare(self, source: str) -> PreparedDocument:
        """Return `source` parsed, within bounds and valid.

        Raises QueryTooCostly, or DocumentRefused with what is wrong with it.
        """
        known = self._ready.get(source)
        if known is not None:
            self._ready.move_to_end(source)
            return known
        prepared = self._make(source)
        self._ready[source] = prepared
        self._bytes += prepared.size
        while self._bytes > _REMEMBERED_BYTES:
            self._bytes -= self._ready.popitem(last=False)[1].size
        return prepared

    def _make(self, source: str) -> PreparedDocument:
        bounds = self._bounds
        if len(source) > bounds.length:
            raise QueryTooCostly(f"the document is longer than {bounds.length} characters")
        document = self._parse(source)
        limits.check_shape(document, bounds)
        prepared = PreparedDocument(self._schema, document, bounds)
        for operation in prepared.operations:
            # Before validation, whose rules would follow a bomb of fragments to its end. What a request
            # asks for may be less than the default of a variable, so that is not looked at here.
            prepared.cost(operation, dict.fromkeys(prepared.page_sizes, 1))
            if default_values(operation, prepared.uses) > MOST_VALUES:
                raise QueryTooCostly(f"defaults of variables make more than {MOST_VALUES} values")
            limits.check_operation(document, operation, bounds)
        if errors := validate(self._schema, document, _RULES, max_errors=20, hide_suggestions=True):
            raise DocumentRefused(errors)
        _check_strings(document)
        return prepared

    def _parse(self, source: str) -> DocumentNode:
        try:
            return parse(source, max_tokens=self._bounds.tokens)
        except GraphQLError as error:
            if "token limit" in error.message or "tokens" in error.message:
                raise QueryTooCostly(f"the document has more than {self._bounds.tokens} tokens") from None
            raise DocumentRefused([error]) from None


class DocumentRefused(Exception):
    """The document is not GraphQL, or not GraphQL that this schema can answer."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


class _Strings(Visitor):
    """Finds string literals that PostgreSQL cannot store."""

    def enter_string_value(self, node: StringValueNode, *_: Any) -> None:
        if "\0" in node.value:
            raise DocumentRefused([GraphQLError("a string contains a NUL character", node)])


def _check_strings(document: DocumentNode) -> None:
    source = document.loc.source.body if document.loc else ""
    if "\\u" in source or "\0" in source:
        visit(document, _Strings())


class _Variables(Visitor):
    """Counts the uses of variables."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: Counter[str] = Counter()

    def enter_variable(self, node: VariableNode, *ancestry: Any) -> None:
        if not isinstance(ancestry[1], VariableDefinitionNode):
            self.uses[node.name.value] += 1


class _Directives(Visitor):
    """Finds any directive."""

    found = False

    def enter_directive(self, *_: Any) -> None:
        self.found = True


def _has_directives(document: DocumentNode) -> bool:
    visitor = _Directives()
    visit(document, visitor)
    return visitor.found


class _Secrets(Visitor):
    """Finds arguments and input fields that carry cart or order tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        self._see(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: Any) -> None:
        self._see(node)

    def _see(self, node: Node) -> None:
        self.found = self.found or node.name.value in SECRET_NAMES  # type: ignore[attr-defined]


def _names_secrets(document: DocumentNode) -> bool:
    source = document.loc.source.body if document.loc else ""
    if "oken" not in source:
        return False
    visitor = _Secrets()
    visit(document, visitor)
    return visitor.found
