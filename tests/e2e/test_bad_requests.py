"""Whatever is sent to the port is answered at once, in JSON with a code, never 500; the server goes on."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from tests.postgres import TestServer
from tests.server import PromptTransport, Server, app_token, post, refused, running_server

GRAPHQL = "application/graphql-response+json"


@pytest.fixture(scope="module")
async def server(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    url = await postgres.clone()
    with running_server(url, await app_token(url), tmp_path_factory.mktemp("server")) as server:
        server.demand_prompt_answers()
        yield server
        assert server.process.poll() is None, "it goes on after all of this"
        assert "Traceback" not in server.log.read_text()
    await postgres.drop(url)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b"[]",
        b'"query"',
        b"true",
        b"{}",
        b'{"query": null}',
        b'{"query": 1}',
        b'{"query": "{ channels { id } }", "variables": []}',
        b'{"query": "{ channels { id } }", "variables": "x"}',
        b'{"query": "{ channels { id } }", "operationName": 1}',
        b'{"query": "{ channels { id } }", "extensions": 1}',
        b'[{"query": "{ channels { id } }"}]',
        b'{"query": "{ channels { id } }"',
        b"{'query': 1}",
        b'{"query": "\xff\xfe"}',
        b'{"query": "{ channels { id } }", "variables": {"x": "\\ud800"}}',
        b'{"query": "{ channels { id } }", "variables": {"x": NaN}}',
        b"\x00",
        b"[" * 100_000,
        b'{"query":' * 5_000,
    ],
)
def test_a_body_that_is_no_request_is_a_bad_request(server: Server, body: bytes) -> None:
    answer = post(server, body)

    assert answer.status_code == 400
    assert refused(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "media", ["text/plain", "application/graphql", "", "application/json; charset=utf-16"]
)
def test_a_body_of_another_type_is_said_so(server: Server, media: str) -> None:
    answer = server.http.post(
        "/graphql", content=b'{"query": "{ __typename }"}', headers={"content-type": media}
    )

    assert answer.status_code == 415
    assert refused(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_long_is_not_read(server: Server, chunked: bool) -> None:
    body = orjson.dumps({"query": "{ __typename }", "variables": {"x": "x" * 5_000_000}})

    parts = [body[start : start + 65_536] for start in range(0, len(body), 65_536)]

    # A client of its own, for a connection that the server may close.
    with httpx.Client(transport=PromptTransport()) as client:
        answer = client.post(
            f"{server.url}/graphql",
            content=parts if chunked else body,
            headers={"content-type": "application/json"},
        )

    assert answer.status_code == 413
    assert refused(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("query a { __typename } query b { __typename }", None),
        ("query a { __typename }", "b"),
        ("", None),
        ("{", None),
        ("{ nope }", None),
        ("subscription { nope }", None),
        ("type Query { a: Int }", None),
        ("{ channels { id(x: 1) } }", None),
        ("{ channels }", None),
        ("{ channels { id { x } } }", None),
        ("query($x: Nope) { __typename }", None),
        ("query($x: Int) { __typename }", None),
        ("{ channels { ...f } } fragment f on Channel { ...f }", None),
        ('{ cart(token: "\\uD800") { id } }', None),
        ('{ cart(token: "\\u0000") { id } }', None),
        ("{ cart(token: 1) { id } }", None),
        ("\ufeff\u2028{ nope", None),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", GRAPHQL])
def test_a_document_that_cannot_run_is_bad_input(
    server: Server, query: str, name: str | None, accept: str
) -> None:
    body = orjson.dumps({"query": query, "operationName": name})

    answer = post(server, body, accept=accept)

    assert answer.status_code == (400 if accept == GRAPHQL else 200)
    assert refused(answer) == "BAD_USER_INPUT"


def _bomb(levels: int) -> str:
    steps = " ".join(
        f"fragment f{level} on Channel {{ ...f{level + 1} ...f{level + 1} id }}" for level in range(levels)
    )
    return f"{{ channels {{ ...f0 }} }} {steps} fragment f{levels} on Channel {{ id }}"


COSTLY = {
    "2000 aliases": "{" + " ".join(f"a{n}: channels {{ id }}" for n in range(2000)) + "}",
    "fragment bomb": _bomb(30),
    "3000 times the same": "{ channels {" + " id" * 3000 + "} }",
    "1 MB string": '{ cart(token: "' + "x" * 1_000_000 + '") { id } }',
    "200 mutations": "mutation {" + " ".join(f"a{n}: __typename" for n in range(200)) + "}",
    "too many fields": """{ products(channel: "web", first: 100) { edges { node { variants { product {
        variants { product { variants { id } } } } } } } } }""",
}


@pytest.mark.parametrize("query", COSTLY.values(), ids=list(COSTLY))
def test_what_would_cost_too_much_is_refused_before_it_does(server: Server, query: str) -> None:
    assert refused(post(server, orjson.dumps({"query": query}))) == "QUERY_TOO_COSTLY"


_PAGE = 'products(channel: "web", first: $n) { edges { node { variants { id sku name } } } }'
_PAGES = " ".join(f"p{n}: {_PAGE}" for n in range(20))
COSTLY_BY_VARIABLES: dict[str, tuple[str, dict[str, Any], str]] = {
    "the default of a page size": (f"query($n: Int = 100) {{ {_PAGES} }}", {}, "QUERY_TOO_COSTLY"),
    "a page size with a fraction": (f"query($n: Int) {{ {_PAGES} }}", {"n": 100.0}, "QUERY_TOO_COSTLY"),
    "a page size past all bounds": (f"query($n: Int) {{ {_PAGES} }}", {"n": 2**31 - 1}, "QUERY_TOO_COSTLY"),
    "a page size that is none": (f"query($n: Int) {{ {_PAGES} }}", {"n": "100"}, "QUERY_TOO_COSTLY"),
    "100,000 variables": ("{ __typename }", {f"v{n}": [n] for n in range(100_000)}, "BAD_USER_INPUT"),
    "a million values": ("{ __typename }", {"v": [[0] * 1_000] * 1_000}, "BAD_USER_INPUT"),
}


@pytest.mark.parametrize(
    ("query", "variables", "code"), COSTLY_BY_VARIABLES.values(), ids=list(COSTLY_BY_VARIABLES)
)
def test_variables_that_would_cost_too_much_are_refused_in_time(
    server: Server, query: str, variables: dict[str, Any], code: str
) -> None:
    body = orjson.dumps({"query": query, "variables": variables})

    answer = post(server, body)

    assert refused(answer) == code


def test_random_credentials_are_refused_and_nothing_breaks(server: Server) -> None:
    body = orjson.dumps({"query": "{ __typename }"})
    for credentials in ("Bearer ordertide_app_x", "Bearer", "Basic eDp4", "x" * 10_000, "Bearer \xff\xfe"):
        headers = {b"content-type": b"application/json", b"authorization": credentials.encode("latin-1")}
        answer = server.http.post("/graphql", content=body, headers=headers)

        assert refused(answer) == "UNAUTHENTICATED"


def test_a_mutation_by_get_is_refused(server: Server) -> None:
    answer = server.http.get("/graphql", params={"query": "mutation { __typename }"})

    assert answer.status_code == 405
    assert refused(answer) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "params",
    [
        {"query": "{ __typename }", "variables": "{"},
        {"query": "{ __typename }", "variables": "1"},
        {"query": "{"},
        {"variables": "{}"},
        {"query": "x" * 20_000},
        {"query": 'query { cart(token: "secret") { id } }'},
    ],
)
def test_a_bad_get_is_refused(server: Server, params: dict[str, str]) -> None:
    assert refused(server.http.get("/graphql", params=params)) == "BAD_USER_INPUT"


def test_a_query_string_that_is_not_utf8_is_refused(server: Server) -> None:
    assert refused(server.http.get("/graphql?query=%ff%fe")) == "BAD_USER_INPUT"
