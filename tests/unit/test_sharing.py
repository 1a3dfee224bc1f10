"""Who shares the run of a subscription: what the schema declares, and what counts as equal."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import pytest
from graphql import GraphQLField, get_named_type, is_object_type

from api.auth import Authenticator
from api.live import LiveGraphQL, LiveViewer
from api.rate_limit import RateLimiter
from api.resolvers.root_fields import ACCESS_KEY, PUBLIC
from api.sharing import SHARING_KEY, Scope, Sharing
from persistence.database import Database
from realtime.feed import Feed
from realtime.operations import OperationRequest, Source
from services.access import ANONYMOUS, Actor, ActorKind, Permission
from tests.factories import SCHEMA, make_app, make_environment
from tests.live import ENGINE

CARTS = "subscription ($after: String) { cartEvents(after: $after) { cursor } }"
STOCK = """subscription ($channel: String!, $skus: [String!]!) {
    inventoryChanged(channel: $channel, skus: $skus) { sku } }"""
IN_A_FRAGMENT = """subscription ($after: String) { ...F }
    fragment F on Subscription { x: cartEvents(after: $after) { cursor } }"""
UNDER_DIRECTIVES = """subscription ($after: String, $x: Boolean = true) {
    cartEvents(after: $after) { cursor kind @skip(if: $x) } }"""
TWICE = """subscription ($after: String) {
    cartEvents(after: $after) { cursor } cartEvents(after: $after) { kind } }"""
TWO = f"{CARTS.replace('subscription', 'subscription A')} {CARTS.replace('subscription', 'subscription B')}"
STAFF = make_app(Permission.CARTS_READ)


def subscriptions() -> dict[str, GraphQLField]:
    root = SCHEMA._schema.subscription_type
    assert root is not None
    return dict(root.fields)


def metadata(field: GraphQLField, key: str) -> Any:
    return field.extensions["strawberry-definition"].metadata.get(key)


def plan(
    query: str, variables: Mapping[str, Any] | None = None, actor: Actor = STAFF, name: str | None = None
) -> Source:
    """Plan a subscription as the transports do; nothing is run, so nothing is asked of the database."""
    database = Database("postgresql://nobody@localhost/nothing")
    environment = make_environment(database)
    live = LiveGraphQL(ENGINE, environment, Authenticator(environment), RateLimiter(0, 1), Feed(database))
    planned = live.plan(OperationRequest(query, name, variables or {}), LiveViewer(actor, "here"), "test")
    assert isinstance(planned, Source)
    return planned


@pytest.mark.parametrize("name", subscriptions())
def test_every_subscription_declares_who_shares_it(name: str) -> None:
    assert isinstance(metadata(subscriptions()[name], SHARING_KEY), Sharing)


@pytest.mark.parametrize("name", subscriptions())
def test_only_what_anybody_may_ask_is_shared_by_everybody(name: str) -> None:
    field = subscriptions()[name]
    if metadata(field, SHARING_KEY).scope is Scope.PUBLIC:
        assert metadata(field, ACCESS_KEY) is PUBLIC


@pytest.mark.parametrize("name", subscriptions())
def test_what_must_be_delivered_can_be_resumed(name: str) -> None:
    field = subscriptions()[name]
    if metadata(field, SHARING_KEY).conflate_by is None:
        delivered = get_named_type(field.type)
        assert is_object_type(delivered)
        assert str(delivered.fields["cursor"].type) == "String!"
        assert str(field.args["after"].type) == "String"


@pytest.mark.parametrize("name", [field.name for field in fields(Actor) if field.name != "id"])
def test_whatever_limits_an_actor_divides_who_shares(name: str) -> None:
    changed: dict[str, Any] = {
        "kind": ActorKind.STAFF,
        "permissions": frozenset({Permission.ORDERS_READ}),
    }
    # A field added to Actor needs a value here that grants something else.
    other = replace(STAFF, **{name: changed[name]})
    assert Scope.PERMISSIONS.actor(other) != Scope.PERMISSIONS.actor(STAFF)


def test_apps_with_the_same_permissions_share_and_others_do_not() -> None:
    twin = replace(STAFF, id=UUID(int=7))
    assert plan(CARTS).key == plan(CARTS, actor=twin).key
    for other in (ANONYMOUS, make_app(), make_app(Permission.CARTS_READ, Permission.CHANNELS_WRITE)):
        assert plan(CARTS, actor=other).key != plan(CARTS).key


def test_everybody_shares_what_is_public() -> None:
    variables = {"channel": "web", "skus": ["A"]}
    reordered = {"skus": ["A"], "channel": "web"}
    assert plan(STOCK, variables, ANONYMOUS).key == plan(STOCK, reordered, STAFF).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"skus": ["A", "B"]}, {"skus": ["B", "A"]}),
        ({"skus": ["1"]}, {"skus": [1]}),
        ({"skus": [1]}, {"skus": [1.0]}),
        ({"skus": [1]}, {"skus": [True]}),
        ({"skus": None}, {}),
        ({"skus": ["é"]}, {"skus": ["e\u0301"]}),
    ],
)
def test_variables_that_differ_are_not_taken_for_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert plan(STOCK, one).key != plan(STOCK, other).key


def test_the_operation_that_is_named_is_part_of_it() -> None:
    assert plan(TWO, name="A").key != plan(TWO, name="B").key


@pytest.mark.parametrize("query", [CARTS, IN_A_FRAGMENT, UNDER_DIRECTIVES])
def test_where_a_client_resumes_from_does_not_keep_it_apart(query: str) -> None:
    first, second, now = plan(query, {"after": "a" * 48}), plan(query, {"after": "b" * 48}), plan(query)
    assert first.key == second.key == now.key
    assert (first.after, second.after, now.after) == ("a" * 48, "b" * 48, None)


def test_a_cursor_by_default_is_one() -> None:
    query = CARTS.replace("String", f'String = "{"c" * 48}"')
    assert plan(query).after == "c" * 48
    assert plan(query, {"after": None}).after is None
    assert plan(query).key == plan(query, {"after": "d" * 48}).key


@pytest.mark.parametrize(("query", "name"), [(TWICE, None), (TWO, "A")])
def test_a_variable_that_is_used_twice_stays_part_of_it(query: str, name: str | None) -> None:
    first, second = plan(query, {"after": "a" * 48}, name=name), plan(query, {"after": "b" * 48}, name=name)
    assert first.key != second.key
    assert (first.after, second.after) == ("a" * 48, "b" * 48)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (CARTS, {"after": 5}),
        (CARTS, {"after": ["a" * 48]}),
        (CARTS, {"after": {"a": 1}}),
        (CARTS.replace("String", "String!"), {}),
        (CARTS.replace("String", "String!"), {"after": None}),
    ],
)
def test_a_cursor_that_will_be_refused_is_shared_with_nobody_whose_is_good(
    query: str, variables: dict[str, Any]
) -> None:
    assert plan(query, variables).key is None


def test_variables_nested_too_deep_to_compare_share_with_nobody() -> None:
    deep: list[Any] = []
    for _ in range(1_000):
        deep = [deep]
    assert plan(CARTS, {"deep": deep}).key is None
