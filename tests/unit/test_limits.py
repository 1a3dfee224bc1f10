"""Bounds of a document: what is refused before anything expensive looks at it, and what is not."""

import gc
import time
import tracemalloc
from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_introspection_query, parse
from graphql import build_schema as build_graphql_schema

from api.cost import page_size_variables, page_sizes, weigh
from api.execution import Engine
from api.faults import RequestRefused
from api.limits import Limits, fields_as_written
from api.root import build_schema
from realtime.operations import OperationRequest

SCHEMA = build_schema()
_LINES = '{ variant: { sku: "S" }, quantity: 1 }' * 500


def prepare(query: str, limits: Limits | None = None, **variables: Any) -> int:
    """Return the cost of a query that is let in."""
    operation = Engine(SCHEMA, limits).prepare(OperationRequest(query, None, variables), "test")
    return operation.cost


def refusal(query: str, limits: Limits | None = None, **variables: Any) -> tuple[str, str]:
    """Return the code and message of a query that is refused."""
    with pytest.raises(RequestRefused) as caught:
        prepare(query, limits, **variables)
    error = caught.value.errors[0]
    return error["extensions"]["code"], error["message"]


def _bomb(fragments: int) -> str:
    steps = " ".join(
        f"fragment f{step} on Channel {{ id ...f{step + 1} slug ...f{step + 1} }}"
        for step in range(fragments)
    )
    return f"{{ channels {{ ...f0 }} }} {steps} fragment f{fragments} on Channel {{ id }}"


def test_a_fragment_bomb_is_weighed_without_being_followed() -> None:
    code, message = refusal(_bomb(30))

    assert code == "QUERY_TOO_COSTLY"
    assert "costs" in message


def test_a_fragment_is_weighed_wherever_it_is_spread() -> None:
    once = prepare("{ channels { ...f } } fragment f on Channel { id slug }")
    twice = prepare("{ a: channels { ...f } b: channels { ...f } } fragment f on Channel { id slug }")

    assert twice == 2 * once


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{" + " ".join(f"a{one}: channels {{ id }}" for one in range(300)) + "}", "250 aliases"),
        ("{" + " ".join(f"a{one}: channels {{ id }}" for one in range(2000)) + "}", "8000 tokens"),
        ("{ channels {" + " id" * 3000 + "} }", "same fields too often"),
        ("{" + (" channels {" + " id" * 30 + "}") * 30 + "}", "same fields too often"),
        ("{ channels {" + " ...{ id }" * 400 + "} }", "same fields too often"),
        ("{ channels { id } } #" + "x" * 100_000, "100000 characters"),
        ("#\n" * 10_000 + "{ channels { id } }", "8000 tokens"),
        (
            "query(" + " ".join(f"$v{one}: Int" for one in range(300)) + ") { channels { id } }",
            "250 variables",
        ),
        (" ".join(f"query q{one} {{ channels {{ id }} }}" for one in range(100)), "operations and fragments"),
        (
            "mutation {" + " ".join(f"a{one}: __typename" for one in range(101)) + "}",
            "at most 100 mutations",
        ),
        (
            '{ __type(name: "Int") ' + "{ ofType " * 30 + "{ name }" + " }" * 30 + "}",
            "nested deeper than 20",
        ),
        ("{ __schema " + "{ types { fields " * 20 + "{ name }" + "} }" * 20 + "}", "nested deeper than 20"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(query: str, words: str) -> None:
    code, message = refusal(query)

    assert code == "QUERY_TOO_COSTLY"
    assert words in message


def test_a_chain_of_fragments_does_not_recurse_without_end() -> None:
    chain = " ".join(f"fragment f{step} on Channel {{ ...f{step + 1} }}" for step in range(1000))
    limits = Limits(definitions=5000, tokens=50_000)

    code, _ = refusal(f"{{ channels {{ ...f0 }} }} {chain} fragment f1000 on Channel {{ id }}", limits)

    assert code in {"QUERY_TOO_COSTLY", "BAD_USER_INPUT"}


def test_a_cycle_of_fragments_is_bad_input() -> None:
    code, message = refusal(
        "{ channels { ...a } } fragment a on Channel { ...b } fragment b on Channel { ...a }"
    )

    assert code == "BAD_USER_INPUT"
    assert "within itself" in message


def test_introspection_is_let_in_but_not_many_times_over() -> None:
    asked = get_introspection_query()
    body = asked[asked.index("__schema {") + len("__schema ") : asked.index("fragment FullType")].rstrip()[
        :-1
    ]
    often = " ".join(f"s{one}: __schema {body}" for one in range(4))
    fragments = asked[asked.index("fragment FullType") :]

    assert prepare(asked) > 1000
    assert refusal(f"{{ {often} }} {fragments}")[0] == "QUERY_TOO_COSTLY"


def test_introspection_with_many_aliases_is_refused() -> None:
    fields = " ".join(f"a{one}: fields {{ type {{ fields {{ name }} }} }}" for one in range(200))

    assert refusal(f"{{ __schema {{ types {{ {fields} }} }} }}")[0] == "QUERY_TOO_COSTLY"


SHELF = build_graphql_schema(
    """
    type Query { books(first: Int = 20): BookConnection }
    type BookConnection { edges: [BookEdge!]! }
    type BookEdge { node: Book! }
    type Book { title: String pages: [Page!]! }
    type Page { text: String }
    """
)


@pytest.mark.parametrize(
    ("query", "variables", "cost"),
    [
        ("{ books { edges { node { title } } } }", {}, 1 + 20 * 3),
        ("{ books(first: 5) { edges { node { title } } } }", {}, 1 + 5 * 3),
        ("{ books(first: 999999) { edges { node { title } } } }", {}, 1 + 100 * 3),
        ("{ books(first: -1) { edges { node { title } } } }", {}, 1),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": 7}, 1 + 7 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {}, 1 + 20 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": None}, 1 + 20 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": 100.0}, 1 + 100 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": "x"}, 1 + 100 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": True}, 1 + 100 * 3),
        ("query($n: Int) { books(first: $n) { edges { node { title } } } }", {"n": 10**30}, 1 + 100 * 3),
        ("query($n: Int = 90) { books(first: $n) { edges { node { title } } } }", {}, 1 + 90 * 3),
        ("query($n: Int = 90) { books(first: $n) { edges { node { title } } } }", {"n": 7}, 1 + 7 * 3),
        ("query($n: Int = 90) { books(first: $n) { edges { node { title } } } }", {"n": None}, 1 + 20 * 3),
        ("query($n: Int = null) { books(first: $n) { edges { node { title } } } }", {}, 1 + 20 * 3),
        ("{ books(first: null) { edges { node { title } } } }", {}, 1 + 20 * 3),
        ("{ books(first: 5) { edges { node { pages { text } } } } }", {}, 1 + 5 * (2 + 1 + 10)),
    ],
)
def test_a_page_costs_its_fields_for_each_of_its_nodes(
    query: str, variables: dict[str, Any], cost: int
) -> None:
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    sizes = page_sizes(operation, page_size_variables(fields_as_written(document)), variables)
    assert weigh(SHELF, document, operation, sizes).cost == cost


def test_a_size_remembered_for_one_request_is_not_another_ones() -> None:
    query = 'query($n: Int = 100) { products(channel: "web", first: $n) { edges { cursor } } }'
    engine = Engine(SCHEMA)

    given: list[Any] = [{}, {"n": 1}, {"n": True}, {"n": 100.0}, {"n": 100}]
    costs = [engine.prepare(OperationRequest(query, None, one), "test").cost for one in given]

    assert costs == [201, 3, 201, 201, 201]


def test_a_default_that_would_be_too_much_does_not_refuse_who_asks_for_less() -> None:
    query = """query($n: Int = 100) { products(channel: "web", first: $n) { edges { node {
        variants { product { variants { product { variants { id } } } } } } } } }"""

    assert prepare(query, n=1) < 5_000
    assert refusal(query)[0] == "QUERY_TOO_COSTLY"


def test_no_name_of_the_schema_is_suggested() -> None:
    code, message = refusal("{ chanels { id } }")

    assert code == "BAD_USER_INPUT"
    assert "channels" not in message


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("query a { __typename } query b { __typename }", None),
        ("query a { __typename }", "c"),
        ("fragment f on Query { __typename }", None),
    ],
)
def test_it_must_be_clear_which_operation_runs(query: str, name: str | None) -> None:
    with pytest.raises(RequestRefused) as caught:
        Engine(SCHEMA).prepare(OperationRequest(query, name), "test")

    assert caught.value.errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("variables", [{"x": "a\0b"}, {"x": [{"y": "\0"}]}])
def test_what_cannot_be_stored_is_refused_by_path(variables: dict[str, Any]) -> None:
    code, message = refusal("query($x: Boolean!) { channels { id @skip(if: $x) } }", **variables)

    assert code == "BAD_USER_INPUT"
    assert message.startswith("variables.x")


_MANY = "mutation($input: CartCreateInput!%s) { %s }"
_MAKE = "a%d: cartCreate(input: $input) { cartToken }"


def _lines(number: int) -> list[Any]:
    return [{"variant": {"sku": f"S-{one}"}, "quantity": 1} for one in range(number)]


@pytest.mark.parametrize(("lines", "uses"), [(110_000, 1), (2_600, 1), (150, 20)])
def test_more_values_than_can_be_read_in_a_moment_are_refused_by_name(lines: int, uses: int) -> None:
    query = _MANY % ("", " ".join(_MAKE % one for one in range(uses)))
    given = {"channel": "web", "lines": _lines(lines)}

    started = time.thread_time()
    code, message = refusal(query, input=given)

    assert time.thread_time() - started < 0.5
    assert code == "BAD_USER_INPUT"
    assert message.startswith("variables.input has too many values")


def test_a_full_cart_and_many_small_ones_are_let_in() -> None:
    assert prepare(_MANY % ("", _MAKE % 1), input={"channel": "web", "lines": _lines(1_500)}) > 0
    many = _MANY % ("", " ".join(_MAKE % one for one in range(100)))
    assert prepare(many, input={"channel": "web", "lines": _lines(20)}) > 0


def test_a_long_default_that_is_used_often_is_refused() -> None:
    line = '{ variant: { sku: "S" }, quantity: 1 }'
    default = f'= {{ channel: "web", lines: [{line * 400}] }}'

    assert prepare(_MANY % (default, _MAKE % 1)) > 0
    code, message = refusal(_MANY % (default, " ".join(_MAKE % one for one in range(20))))
    assert code == "QUERY_TOO_COSTLY"
    assert "defaults" in message


def test_a_nul_in_the_document_is_refused() -> None:
    code, message = refusal('{ __type(name: "a\\u0000b") { name } }')

    assert (code, message) == ("BAD_USER_INPUT", "a string contains a NUL character")


def test_documents_are_remembered_within_bounds() -> None:
    engine = Engine(SCHEMA)
    long = f'mutation {{ cartCreate(input: {{ channel: "x", lines: [{_LINES}] }}) {{ cartToken }} }}'
    first = OperationRequest("{ channels { id } } # first")
    prepared = engine.prepare(first, "test").document

    assert engine.prepare(first, "test").document is prepared
    for number in range(8):
        engine.prepare(OperationRequest(f"{long} # {number}"), "test")
    assert engine.prepare(first, "test").document is not prepared


_KINDS = {
    "long comments": ("{ __typename } #" + "x" * 90_000, 120),
    "long": (
        f'mutation {{ cartCreate(input: {{ channel: "x", lines: [{_LINES}] }}) {{ cartToken }} }} #',
        12,
    ),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_all_documents_together_take_a_bounded_amount_of_memory(kind: str) -> None:
    document, number = _KINDS[kind]
    engine = Engine(SCHEMA)
    prepared = engine.prepare(OperationRequest(f"{document}first"), "test").document

    tracemalloc.start()
    for one in range(number):
        engine.prepare(OperationRequest(f"{document}{one}"), "test")
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert engine.prepare(OperationRequest(f"{document}first"), "test").document is not prepared, "it is full"
    assert taken < 25_000_000
