"""Whatever comes in is answered promptly, clearly, with a code, and never with 500; the server goes on."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.postgres import TestServer
from tests.server import Server, app_token, post, refused, running_server

GRAPHQL = "application/graphql-response+json"
CREATE = """mutation($input: CartCreateInput!) { cartCreate(input: $input) {
    cart { id lines { id quantity } } cartToken userErrors { __typename code message path } } }"""
ADD = """mutation($input: CartLineAddInput!) { cartLineAdd(input: $input) {
    cart { id } userErrors { __typename code message path } } }"""
PRODUCT = """mutation($input: ProductCreateInput!) { productCreate(input: $input) {
    product { id variants { sku } } userErrors { __typename code message path } } }"""
CHANNEL = """mutation($input: ChannelCreateInput!) { channelCreate(input: $input) {
    channel { id } userErrors { __typename code message path } } }"""
PLACE = """mutation($input: OrderPlaceInput!) { orderPlace(input: $input) {
    order { id } userErrors { __typename code message path } } }"""


@pytest.fixture(scope="module")
async def server(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    url = await postgres.clone()
    with running_server(url, await app_token(url), tmp_path_factory.mktemp("server")) as server:
        _set_up(server)
        server.demand_prompt_answers()
        yield server
        assert server.process.poll() is None, "it goes on after all of this"
        assert "Traceback" not in server.log.read_text()
    await postgres.drop(url)


def _set_up(server: Server) -> None:
    for slug, currency in (("web", "USD"), ("jp", "JPY"), ("kw", "KWD")):
        payload(server, CHANNEL, {"slug": slug, "name": slug, "currency": currency})
    prices = [("web", "10.00", "USD"), ("jp", "1500", "JPY"), ("kw", "3.125", "KWD")]
    made = payload(server, PRODUCT, product("A-1", *prices))
    assert made["userErrors"] == []
    server.graphql('mutation { locationCreate(input: {code: "W1", name: "W1"}) { userErrors { code } } }')
    stock = """mutation($key: String!) { stockAdjust(input: {variant: {sku: "A-1"}, locationCode: "W1",
        delta: 50, reason: RECEIVED, idempotencyKey: $key}) { userErrors { code message } } }"""
    assert server.graphql(stock, key=str(uuid4()))["data"]["stockAdjust"]["userErrors"] == []


def product(sku: str, *prices: tuple[str, Any, str]) -> dict[str, Any]:
    """Return the input of a product with one variant."""
    listed = [
        {"channel": channel, "price": {"amount": amount, "currency": currency}}
        for channel, amount, currency in prices
    ]
    return {"name": "Mug", "variants": [{"sku": sku, "prices": listed}]}


def payload(server: Server, document: str, given: dict[str, Any]) -> dict[str, Any]:
    """Send a mutation and return its payload; there must be no GraphQL error."""
    answer = server.graphql(document, input=given)
    assert "errors" not in answer, answer
    (found,) = answer["data"].values()
    assert found is not None
    return dict(found)


def user_error(server: Server, document: str, given: dict[str, Any]) -> tuple[str, Any]:
    """Return code and path of the one user error that a mutation must answer."""
    (error,) = payload(server, document, given)["userErrors"]
    assert error["message"]
    assert error["__typename"].endswith("Error")
    return error["code"], error["path"]


@pytest.mark.parametrize("quantity", [0, -1, 10**9])
def test_a_quantity_that_cannot_be_is_a_user_error(server: Server, quantity: int) -> None:
    line = {"variant": {"sku": "A-1"}, "quantity": quantity}
    token = payload(server, CREATE, {"channel": "web"})["cartToken"]

    code, path = user_error(server, CREATE, {"channel": "web", "lines": [line]})
    assert code in {"INVALID_INPUT", "INSUFFICIENT_STOCK"}
    assert path[-1] == "quantity"
    assert user_error(server, ADD, {"cartToken": token, **line})[0] == code


@pytest.mark.parametrize("quantity", [2**31, 1.5, "1", None, True, [], {}])
def test_a_quantity_that_is_no_int_is_bad_input(server: Server, quantity: Any) -> None:
    given = {"channel": "web", "lines": [{"variant": {"sku": "A-1"}, "quantity": quantity}]}
    body = orjson.dumps({"query": CREATE, "variables": {"input": given}})

    assert refused(post(server, body)) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("document", "given", "code"),
    [
        (CREATE, {"channel": "nowhere"}, "NOT_FOUND"),
        (CREATE, {"channel": "web", "lines": [{"variant": {"sku": "?"}, "quantity": 1}]}, "NOT_FOUND"),
        (CREATE, {"channel": "web", "lines": [{"variant": {"id": "?"}, "quantity": 1}]}, "INVALID_INPUT"),
        (
            CREATE,
            {"channel": "web", "lines": [{"variant": {"id": "Q2hhbm5lbDp4"}, "quantity": 1}]},
            "INVALID_INPUT",
        ),
        (CREATE, {"channel": "web", "email": "not an address"}, "INVALID_INPUT"),
        (CREATE, {"channel": "web", "email": "x" * 1_000_000}, "INVALID_INPUT"),
        (CREATE, {"channel": "web", "idempotencyKey": "x" * 1_000_000}, "INVALID_INPUT"),
        (ADD, {"cartToken": "nonsense", "variant": {"sku": "A-1"}, "quantity": 1}, "NOT_FOUND"),
        (ADD, {"cartToken": "", "variant": {"sku": "A-1"}, "quantity": 1}, "NOT_FOUND"),
        (ADD, {"cartToken": "x" * 1_000_000, "variant": {"sku": "A-1"}, "quantity": 1}, "NOT_FOUND"),
        (CHANNEL, {"slug": "x y", "name": "X", "currency": "USD"}, "INVALID_INPUT"),
        (CHANNEL, {"slug": "eu", "name": "X", "currency": "EURO"}, "INVALID_INPUT"),
        (CHANNEL, {"slug": "eu", "name": "X", "currency": "XXX"}, "INVALID_INPUT"),
        (CHANNEL, {"slug": "eu", "name": "X" * 1_000_000, "currency": "EUR"}, "INVALID_INPUT"),
        (CHANNEL, {"slug": "eu", "name": " ", "currency": "EUR"}, "INVALID_INPUT"),
        (CHANNEL, {"slug": "web", "name": "X", "currency": "EUR"}, "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("web", "1.00", "EUR")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("web", "1.001", "USD")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("web", "-1", "USD")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("web", "1e400", "USD")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("web", "99999999999999999999", "USD")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("jp", "1.5", "JPY")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("kw", "1.0005", "KWD")), "INVALID_INPUT"),
        (PRODUCT, product("P-1", ("nowhere", "1", "USD")), "NOT_FOUND"),
        (PRODUCT, product("x" * 1_000_000), "INVALID_INPUT"),
        (PRODUCT, product("A-1"), "INVALID_INPUT"),
        (PRODUCT, {"name": "Mug", "variants": []}, "INVALID_INPUT"),
        (
            PLACE,
            {"cartToken": "x", "payment": {"provider": "sandbox", "method": "ok"}, "idempotencyKey": "k"},
            None,
        ),
    ],
)
def test_what_cannot_be_done_is_a_typed_user_error(
    server: Server, document: str, given: dict[str, Any], code: str | None
) -> None:
    found, _ = user_error(server, document, given)

    assert found == code if code else found in {"NOT_FOUND", "INVALID_INPUT"}


@pytest.mark.parametrize(
    ("slug", "amount", "currency"), [("jp", "1500", "JPY"), ("kw", "3.125", "KWD"), ("web", "10.00", "USD")]
)
def test_amounts_have_their_currencys_own_decimals(
    server: Server, slug: str, amount: str, currency: str
) -> None:
    query = """query($c: String!) { productVariant(variant: {sku: "A-1"}, channel: $c) {
        price { amount currency } } }"""

    price = server.graphql(query, token="", c=slug)["data"]["productVariant"]["price"]

    assert price == {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "Infinity",
        "-Infinity",
        "sNaN",
        "1e999999",
        "1e9999999999999999999",
        "1,5",
        "",
        "x",
        [],
        {},
        True,
        "1" * 100_000,
    ],
)
def test_an_amount_that_is_no_decimal_is_an_error(server: Server, amount: Any) -> None:
    body = orjson.dumps({"query": PRODUCT, "variables": {"input": product("P-2", ("web", amount, "USD"))}})

    answer = post(server, body, **server.headers())

    assert answer.status_code == 200
    found = answer.json()
    errors = found.get("errors") or found["data"]["productCreate"]["userErrors"]
    assert (errors[0].get("extensions") or errors[0])["code"] in {"BAD_USER_INPUT", "INVALID_INPUT"}, found


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "\u202e\u0007", "\U0010ffff", "\ufffe", "'; DROP TABLE carts; --", "%s%n{}", "%00"]
)
def test_odd_characters_are_stored_or_refused_but_break_nothing(server: Server, text: str) -> None:
    for document, given in (
        (CHANNEL, {"slug": text, "name": "X", "currency": "USD"}),
        (CREATE, {"channel": text}),
        (CREATE, {"channel": "web", "email": text}),
        (CREATE, {"channel": "web", "idempotencyKey": text}),
        (ADD, {"cartToken": text, "variant": {"sku": text}, "quantity": 1}),
        (PRODUCT, {**product(text), "name": text}),
    ):
        answer = server.graphql(document, input=given)
        codes = [error["extensions"]["code"] for error in answer.get("errors", [])]

        assert codes in ([], ["BAD_USER_INPUT"]), answer


@pytest.mark.parametrize(
    "query",
    [
        '{ products(channel: "web", first: 0) { edges { cursor } } }',
        '{ products(channel: "web", first: -1) { edges { cursor } } }',
        '{ products(channel: "web", first: 101) { edges { cursor } } }',
        '{ products(channel: "web", after: "nonsense") { edges { cursor } } }',
        '{ products(channel: "nowhere") { edges { cursor } } }',
        '{ productVariant(variant: {}, channel: "web") { id } }',
        '{ productVariant(variant: {id: "x", sku: "y"}, channel: "web") { id } }',
        '{ productVariant(variant: {sku: null}, channel: "web") { id } }',
        "{ order(ref: {}) { id } }",
        '{ node(id: "nonsense") { id } }',
    ],
)
def test_a_question_that_makes_no_sense_is_bad_input(server: Server, query: str) -> None:
    answer = server.graphql(query, token="")

    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}, answer


@pytest.mark.parametrize(
    "query",
    [
        '{ cart(token: "nonsense") { id } }',
        '{ order(ref: {token: "nonsense"}) { id } }',
        '{ order(ref: {number: "nonsense"}) { id } }',
        '{ order(ref: {id: "Q2hhbm5lbDowMWEyMDhhOTViYjc3MTEzOTYzMjBhZDcwNjg3ZWUzMA=="}) { id } }',
        '{ productVariant(variant: {sku: "nonsense"}, channel: "web") { id } }',
        '{ node(id: "T3JkZXI6MDFhMjA4YTk1YmI3NzExMzk2MzIwYWQ3MDY4N2VlMzA=") { id } }',
    ],
)
def test_what_is_not_there_or_not_yours_is_null(server: Server, query: str) -> None:
    answer = server.graphql(query, token="")

    assert "errors" not in answer
    assert list(answer["data"].values()) == [None]


def test_variables_that_do_not_fit_are_bad_input(server: Server) -> None:
    inputs: list[Any] = [
        None,
        1,
        [],
        "x",
        {},
        {"channel": None},
        {"channel": 1},
        {"channel": "web", "nope": 1},
    ]
    for given in inputs:
        body = orjson.dumps({"query": CREATE, "variables": {"input": given}})

        assert refused(post(server, body)) == "BAD_USER_INPUT"


@pytest.mark.parametrize("levels", [100, 500, 5_000])
def test_a_deeply_nested_variable_is_refused(server: Server, levels: int) -> None:
    nested = b'{"x":[' * levels + b"1" + b"]}" * levels
    query = orjson.dumps(CREATE)

    body = b'{"query":%b,"variables":{"input":{"channel":%b},"other":%b}}' % (query, nested, nested)

    assert refused(post(server, body)) == "BAD_USER_INPUT"


def test_a_cart_of_110000_lines_is_refused_at_once(server: Server) -> None:
    lines = [{"variant": {"sku": "A"}, "quantity": 1}] * 110_000
    body = orjson.dumps({"query": CREATE, "variables": {"input": {"channel": "web", "lines": lines}}})
    assert len(body) <= 4 * 1024 * 1024, "it is not refused for its length"

    answer = post(server, body)

    assert refused(answer) == "BAD_USER_INPUT"
    assert answer.json()["errors"][0]["message"].startswith("variables.input")


def test_one_long_list_in_many_mutations_is_refused_at_once(server: Server) -> None:
    lines = [{"variant": {"sku": "A-1"}, "quantity": 1}] * 2_400
    many = " ".join(f"a{one}: cartCreate(input: $input) {{ cartToken }}" for one in range(100))
    query = f"mutation($input: CartCreateInput!) {{ {many} }}"
    body = orjson.dumps({"query": query, "variables": {"input": {"channel": "web", "lines": lines}}})

    assert refused(post(server, body)) == "BAD_USER_INPUT"
