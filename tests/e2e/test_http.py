"""GraphQL over HTTP as clients meet it: media types, methods, tokens, request ids."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.postgres import TestServer
from tests.server import Server, app_token, metric, running_server

GRAPHQL = "application/graphql-response+json"


@pytest.fixture(scope="module")
async def server(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # type: ignore[misc]
    url = await postgres.clone()
    with running_server(url, await app_token(url), tmp_path_factory.mktemp("server")) as server:
        yield server
    await postgres.drop(url)


def test_a_channel_is_made_by_an_app_and_seen_by_anybody(server: Server) -> None:
    made = server.graphql(
        'mutation { channelCreate(input: {slug: "web", name: "Web", currency: "USD"})'
        " { channel { slug } userErrors { __typename } } }"
    )

    assert made["data"]["channelCreate"] == {"channel": {"slug": "web"}, "userErrors": []}
    assert server.graphql("{ channels { slug } }", token="")["data"] == {"channels": [{"slug": "web"}]}


@pytest.mark.parametrize(
    ("accept", "media", "refused_with"),
    [
        ("application/json", "application/json", 200),
        ("*/*", "application/json", 200),
        (GRAPHQL, GRAPHQL, 400),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL, 400),
        (f"{GRAPHQL};q=0.1, application/json", "application/json", 200),
    ],
)
def test_the_answer_comes_in_the_media_type_asked_for(
    server: Server, accept: str, media: str, refused_with: int
) -> None:
    good = server.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": accept})
    bad = server.http.post("/graphql", json={"query": "{ nope }"}, headers={"accept": accept})

    assert good.status_code == 200
    assert good.headers["content-type"] == f"{media}; charset=utf-8"
    assert good.json()["data"] == {"__typename": "Query"}
    assert bad.status_code == refused_with
    assert "data" not in bad.json()


def test_what_no_client_can_read_is_refused(server: Server) -> None:
    answer = server.http.post("/graphql", json={"query": "{ __typename }"}, headers={"accept": "text/csv"})

    assert answer.status_code == 406
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_query_may_come_by_get_but_no_mutation_and_no_secret(server: Server) -> None:
    query = server.http.get("/graphql", params={"query": "{ __typename }"})
    mutation = server.http.get("/graphql", params={"query": "mutation { __typename }"})
    secret = server.http.get(
        "/graphql",
        params={"query": "query($r: Boolean!) { __typename @skip(if: $r) }", "variables": '{"token": "x"}'},
    )

    assert query.json()["data"] == {"__typename": "Query"}
    assert mutation.status_code == 405
    assert mutation.headers["allow"] == "POST"
    assert secret.status_code == 405
    assert server.http.put("/graphql").status_code == 405


def test_a_request_id_is_taken_if_sane_and_always_returned(server: Server) -> None:
    def sent(value: str) -> str:
        answer = server.http.get("/healthz", headers={"x-request-id": value})
        return answer.headers["x-request-id"]

    assert sent("abc-123") == "abc-123"
    assert sent("x" * 65) != "x" * 65
    assert sent('"; drop') != '"; drop'
    assert server.http.get("/healthz").headers["x-request-id"]


@pytest.mark.parametrize(
    "header", ["Bearer nonsense", "Bearer ordertide_app_nonsense", "Basic YTpi", "Bearer", "Bearer \xe9"]
)
def test_a_token_that_is_none_of_ours_is_said_so(server: Server, header: str) -> None:
    for accept, status in (("application/json", 200), (GRAPHQL, 401)):
        answer = server.http.post(
            "/graphql",
            json={"query": "{ channels { slug } }"},
            headers=[(b"authorization", header.encode("latin-1")), (b"accept", accept.encode())],
        )

        assert answer.status_code == status
        assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_requests_are_counted(server: Server) -> None:
    before = metric(server, "ordertide_graphql_requests_total")

    server.graphql("{ channels { slug } }")
    server.graphql("{ nope }")

    assert metric(server, "ordertide_graphql_requests_total") == before + 2


def test_it_is_alive_and_ready(server: Server) -> None:
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.http.get("/readyz").json()["checks"] == {
        "database": "ok",
        "migrations": "ok",
        "outbox": "ok",
        "feed": "ok",
    }
    assert server.http.get("/nowhere").status_code == 404


def test_logs_hold_no_token(server: Server) -> None:
    server.http.post(
        "/graphql", json={"query": "{ channels { slug } }"}, headers={"authorization": "Bearer s3cret"}
    )

    assert "s3cret" not in server.log.read_text()
    assert server.token not in server.log.read_text()


def test_it_drains_on_sigterm(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(fresh_database_url, "", tmp_path) as server:
        assert server.stop() == 0
        with pytest.raises(httpx.ConnectError):
            server.http.get("/healthz")


def test_pages_of_any_origin_may_ask_unless_some_are_named(
    server: Server, fresh_database_url: str, tmp_path: Path
) -> None:
    page = {"origin": "https://shop.example"}
    preflight = {**page, "access-control-request-method": "POST"}
    asked = {**preflight, "access-control-request-headers": "authorization, content-type"}
    allowed = server.http.options("/graphql", headers=asked)
    answer = server.http.post("/graphql", json={"query": "{ __typename }"}, headers=page)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "*")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "X-Request-Id" in answer.headers["access-control-expose-headers"]

    with running_server(fresh_database_url, "", tmp_path, allowed_origins="https://shop.example") as named:
        elsewhere = {**preflight, "origin": "https://elsewhere.example"}
        assert named.http.options("/graphql", headers=preflight).status_code == 200
        assert named.http.options("/graphql", headers=elsewhere).status_code == 400
        answer = named.http.post("/graphql", json={"query": "{ __typename }"}, headers=page)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
