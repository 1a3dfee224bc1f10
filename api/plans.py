"""Which fields of the schema only read something off the object they stand on, and how to answer them.

Most fields of an answer do nothing else. graphql-core prepares for each what a resolver could want
(arguments, info) and Strawberry wraps it once more; api/executor.py answers these directly.
"""

from collections.abc import Callable, Mapping
from inspect import Parameter
from operator import attrgetter
from typing import Any, NamedTuple

from graphql import (
    GraphQLBoolean,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLString,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.types.field import StrawberryField

_MAX_INT = 2**31

PRESET = "ordertide.preset"
"""Metadata of a field whose value may have come with the row: the name of the attribute that holds it
then, and `Undefined` otherwise, when the field's resolver is asked."""


class Plan(NamedTuple):
    """How to answer one field.

    `read` takes the object the field stands on. A leaf has `serialize`, an object or a list of objects
    `of_type`; a list of anything else has neither, and only its being empty is answered directly.
    `same` is the type whose values need no serializing.
    """

    read: Callable[[Any], Any]
    nullable: bool
    field_type: GraphQLOutputType
    serialize: Callable[[Any], Any] | None = None
    same: type | None = None
    of_type: GraphQLObjectType | None = None
    is_list: bool = False
    is_method: bool = False


Plans = Mapping[str, Mapping[str, Plan]]
"""Plans by the names of type and field; what is not in it is resolved as usual."""


def plan_fields(schema: GraphQLSchema) -> Plans:
    """Find the fields of a schema that only read something."""
    plans: dict[str, dict[str, Plan]] = {}
    for name, type_ in schema.type_map.items():
        if is_object_type(type_) and not name.startswith("__"):
            found = ((field, _plan(definition)) for field, definition in type_.fields.items())
            plans[name] = {field: plan for field, plan in found if plan is not None}
    return plans


def _plan(definition: GraphQLField) -> Plan | None:
    field = definition.extensions.get("strawberry-definition")
    if definition.args or not isinstance(field, StrawberryField) or field.extensions:
        return None
    preset = field.metadata.get(PRESET)
    read = attrgetter(preset) if preset else _reader(field)
    if read is None:
        return None
    nullable = not is_non_null_type(definition.type)
    inner = _inner(definition.type)
    method = field.base_resolver is not None and not preset
    if is_leaf_type(inner):
        if method:
            return None  # It may return an awaitable, which must not be asked for twice.
        serialize, same = _serializer(inner)
        return Plan(read, nullable, definition.type, serialize=serialize, same=same)
    if is_object_type(inner):
        return Plan(read, nullable, definition.type, of_type=inner, is_method=method)
    if not is_list_type(inner):
        return None  # An interface: the object's own type has to be found first.
    item = _inner(inner.of_type)
    objects = is_object_type(item) and is_non_null_type(inner.of_type)
    return Plan(
        read, nullable, definition.type, of_type=item if objects else None, is_list=True, is_method=method
    )


def _reader(field: StrawberryField) -> Callable[[Any], Any] | None:
    resolver = field.base_resolver
    if resolver is None:
        return attrgetter(field.python_name)
    if field.is_async:
        return None
    # A method that takes nothing but the object itself can be called as it is.
    parameters = list(resolver.signature.parameters.values())
    takes_only_self = (
        len(parameters) == 1
        and parameters[0].name == "self"
        and parameters[0].kind is Parameter.POSITIONAL_OR_KEYWORD
    )
    return resolver._unbound_wrapped_func if takes_only_self else None  # noqa: SLF001


def _inner(type_: Any) -> Any:
    return type_.of_type if is_non_null_type(type_) else type_


def _serializer(type_: GraphQLLeafType) -> tuple[Callable[[Any], Any], type | None]:
    if type_ in (GraphQLString, GraphQLID):
        return type_.coerce_output_value, str
    if type_ is GraphQLBoolean:
        return type_.coerce_output_value, bool
    if type_ is GraphQLInt:
        return _int, None
    return type_.coerce_output_value, None


def _int(value: Any) -> Any:
    if value.__class__ is int and -_MAX_INT <= value < _MAX_INT:
        return value
    return GraphQLInt.coerce_output_value(value)
