"""Deny by default, proven by walking the schema: every root field declares who may use it."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_enum_type,
    is_input_object_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    is_required_argument,
    is_required_input_field,
)

from api.context import RequestContext
from api.execution import Engine
from api.faults import RequestRefused
from api.resolvers.root_fields import ACCESS_KEY, CUSTOMER, PUBLIC, TOKEN, OwnOr
from api.root import build_schema
from domain.kernel.ids import new_id
from persistence.database import Database
from realtime.operations import OperationRequest
from services.access import ANONYMOUS, Actor, ActorKind, Permission
from tests.factories import make_app, make_context

SCHEMA = build_schema()
ENGINE = Engine(SCHEMA)
LEAVES = {
    "String": '"x"',
    "ID": '"x"',
    "Int": "1",
    "Float": "1.0",
    "Boolean": "true",
    "Decimal": '"1"',
    "DateTime": '"2026-01-01T00:00:00Z"',
    "Date": '"2026-01-01"',
}
OPEN = {
    "cartCreate",
    "channels",
    "customerSignInRequest",
    "deliveryRates",
    "eventCursor",
    "inventoryChanged",
    "node",
    "pickupLocations",
    "product",
    "productVariant",
    "products",
}
"""What anybody may ask. Whoever adds to it says so here."""
OWN = {"cartStoreCreditApply", "orders"}
"""What customers may ask of what is their own, and others with a permission. Likewise."""
A_CUSTOMER = Actor(ActorKind.CUSTOMER, new_id())


def _value(type_: Any) -> str:
    inner = get_nullable_type(type_)
    if is_list_type(inner):
        return f"[{_value(inner.of_type)}]"
    if is_enum_type(inner):
        return str(next(iter(inner.values)))
    if is_input_object_type(inner):
        names = [name for name, field in inner.fields.items() if is_required_input_field(field)]
        if inner.is_one_of or inner.extensions["strawberry-definition"].is_one_of:
            names = [next(iter(inner.fields))]
        return "{" + ", ".join(f"{name}: {_value(inner.fields[name].type)}" for name in names) + "}"
    return LEAVES[inner.name]


def _document(operation: str, name: str, field: GraphQLField) -> str:
    given = [
        f"{argument}: {_value(definition.type)}"
        for argument, definition in field.args.items()
        if is_required_argument(definition)
    ]
    arguments = f"({', '.join(given)})" if given else ""
    named = get_named_type(field.type)
    selection = ""
    if is_object_type(named):
        errors = " userErrors { code message }" if "userErrors" in named.fields else ""
        selection = f" {{ __typename{errors} }}"
    elif not hasattr(named, "coerce_output_value"):
        selection = " { __typename }"
    return f"{operation} {{ {name}{arguments}{selection} }}"


def _root_fields() -> Iterator[tuple[str, str, GraphQLField]]:
    schema = SCHEMA._schema
    roots: list[tuple[str, GraphQLObjectType | None]] = [
        ("query", schema.query_type),
        ("mutation", schema.mutation_type),
        ("subscription", schema.subscription_type),
    ]
    for operation, root in roots:
        for name, field in (root.fields if root else {}).items():
            yield operation, name, field


def _access(field: GraphQLField) -> Any:
    return field.extensions["strawberry-definition"].metadata.get(ACCESS_KEY)


def _permissions(field: GraphQLField) -> frozenset[Permission]:
    """Return the permissions any of which suffices."""
    rule = _access(field)
    if isinstance(rule, OwnOr):
        rule = rule.permission
    if isinstance(rule, Permission):
        return frozenset({rule})
    return rule if isinstance(rule, frozenset) else frozenset()


FIELDS = list(_root_fields())
GUARDED = [
    pytest.param(operation, name, field, id=name) for operation, name, field in FIELDS if _permissions(field)
]
HELD = [
    pytest.param(operation, name, field, id=name)
    for operation, name, field in FIELDS
    if _access(field) in {TOKEN, CUSTOMER}
]


async def _answer(database: Database, actor: Actor, document: str) -> dict[str, Any]:
    context = RequestContext.of(make_context(database, actor))
    operation = ENGINE.prepare(OperationRequest(document), "test")
    if operation.kind != "subscription":
        return await ENGINE.execute(operation, context)
    try:
        stream = await ENGINE.subscribe(operation, context)
    except RequestRefused as refused:
        return {"errors": refused.errors}
    try:
        return dict((await anext(stream)).answer)
    finally:
        await stream.aclose()


def test_every_root_field_declares_who_may_use_it() -> None:
    silent = [name for _, name, field in FIELDS if _access(field) is None]

    assert silent == []


def test_what_is_open_to_anybody_is_known() -> None:
    assert {name for _, name, field in FIELDS if _access(field) is PUBLIC} <= OPEN


@pytest.mark.parametrize(("operation", "name", "field"), GUARDED)
async def test_a_guarded_field_is_denied_without_its_permission(
    database: Database, operation: str, name: str, field: GraphQLField
) -> None:
    document = _document(operation, name, field)
    others = [permission for permission in Permission if permission not in _permissions(field)]

    for actor, code in (
        (ANONYMOUS, "UNAUTHENTICATED"),
        (make_app(), "FORBIDDEN"),
        (make_app(*others), "FORBIDDEN"),
        *([] if name in OWN else [(A_CUSTOMER, "FORBIDDEN")]),
    ):
        answer = await _answer(database, actor, document)

        assert [error["extensions"]["code"] for error in answer["errors"]] == [code], answer
        assert (answer.get("data") or {}).get(name) is None


@pytest.mark.parametrize(("operation", "name", "field"), HELD)
async def test_a_field_for_holders_of_a_token_tells_others_nothing(
    database: Database, operation: str, name: str, field: GraphQLField
) -> None:
    for actor in (ANONYMOUS, A_CUSTOMER):
        _check_nothing_told(name, await _answer(database, actor, _document(operation, name, field)))


def _check_nothing_told(name: str, answer: dict[str, Any]) -> None:
    if answer.get("errors"):
        code = answer["errors"][0]["extensions"]["code"]
        assert code in {"BAD_USER_INPUT", "UNAUTHENTICATED", "FORBIDDEN"}, answer
        return
    found = answer["data"][name]
    assert found is None or found["userErrors"], answer


def test_payloads_are_nullable_so_that_one_never_takes_the_others_along() -> None:
    rigid = [
        name for operation, name, field in FIELDS if operation == "mutation" and is_non_null_type(field.type)
    ]

    assert rigid == []
