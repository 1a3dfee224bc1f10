"""What an operator meets: outages, limits, taken ports, revoked tokens."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from bench._environment import child_environment
from persistence.database import Database
from services import apps
from services.access import SYSTEM
from services.context import ServiceContext
from tests.factories import make_environment
from tests.server import SECONDS_TO_START, SECRET_KEY, Server, app_token, running_server

CHANNELS = {"query": "{ channels { slug } }"}
GUARDED = """mutation { channelCreate(input: {slug: "x", name: "x", currency: "?"}) {
    userErrors { code } } }"""


def code_of(answer: httpx.Response) -> str:
    """Return the code of the first error."""
    return str(answer.json()["errors"][0]["extensions"]["code"])


def wait_for(server: Server, status: int) -> httpx.Response:
    """Ask /readyz until it answers with a status."""
    end = time.monotonic() + 20
    while (answer := server.http.get("/readyz")).status_code != status:
        assert time.monotonic() < end, answer.text
        time.sleep(0.1)
    return answer


def code_when_refused(server: Server) -> str:
    """Ask a guarded field until it is refused; that must be within seconds."""
    end = time.monotonic() + 5
    while "errors" not in (answer := server.graphql(GUARDED)):
        assert time.monotonic() < end
        time.sleep(0.1)
    return str(answer["errors"][0]["extensions"]["code"])


async def test_an_outage_is_said_so_and_passes(fresh_database_url: str, tmp_path: Path) -> None:
    name = make_url(fresh_database_url).database
    elsewhere = make_url(fresh_database_url).set(database="postgres").render_as_string(hide_password=False)
    with running_server(fresh_database_url, "", tmp_path) as server:
        administrator = await asyncpg.connect(elsewhere)
        await administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )

        error = server.http.post("/graphql", json=CHANNELS).json()["errors"][0]
        assert error["extensions"]["code"] == "INTERNAL"
        assert error["extensions"]["retryable"] is True
        assert "try again" in error["message"]
        assert wait_for(server, 503).json()["checks"]["database"] != "ok"
        assert server.http.get("/healthz").status_code == 200

        await administrator.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await administrator.close()
        wait_for(server, 200)
        assert server.http.post("/graphql", json=CHANNELS).json()["data"] == {"channels": []}


async def test_a_request_that_takes_too_long_is_given_up(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(fresh_database_url, "", tmp_path, request_timeout_seconds="0.5") as server:
        connection = await asyncpg.connect(fresh_database_url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE channels IN ACCESS EXCLUSIVE MODE")
            answer = server.http.post("/graphql", json=CHANNELS)
        await connection.close()

        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"]["retryable"] is True
        assert server.http.post("/graphql", json=CHANNELS).json()["data"] == {"channels": []}
        assert "Traceback" not in server.log.read_text()


def test_half_a_body_is_not_waited_for_for_ever(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(fresh_database_url, "", tmp_path, request_timeout_seconds="0.5") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(
                b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b'Content-Length: 100\r\n\r\n{"query": "{'
            )
            answer = b"".join(iter(lambda: client.recv(65_536), b""))

        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"BAD_USER_INPUT"' in answer
        assert "Traceback" not in server.log.read_text()


def test_who_asks_too_often_is_told_when_to_come_back(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(
        fresh_database_url, "", tmp_path, rate_limit_per_second="0.1", rate_limit_burst="2"
    ) as server:
        answers = [server.http.post("/graphql", json=CHANNELS) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert code_of(answers[2]) == "RATE_LIMITED"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 10
        assert server.http.get("/healthz").status_code == 200


async def test_bad_credentials_are_limited_and_lock_nobody_else_out(
    fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    with running_server(
        fresh_database_url, token, tmp_path, rate_limit_per_second="0.1", rate_limit_burst="3"
    ) as server:

        def ask(credentials: str) -> httpx.Response:
            headers = {"authorization": credentials, "accept": "application/graphql-response+json"}
            return server.http.post("/graphql", json=CHANNELS, headers=headers)

        assert ask(f"Bearer {token}").status_code == 200
        bad = [ask(f"Bearer ordertide_app_{number}") for number in range(3)] + [ask("Basic x")]
        assert [answer.status_code for answer in bad] == [401, 401, 401, 429]
        assert code_of(bad[3]) == "RATE_LIMITED"
        assert 1 <= int(bad[3].headers["retry-after"]) <= 10
        # Neither whoever sends none nor an app that is known is held to account for them.
        assert server.http.post("/graphql", json=CHANNELS).status_code == 200
        assert ask(f"Bearer {token}").status_code == 200


async def test_a_revoked_token_is_worthless_within_seconds(fresh_database_url: str, tmp_path: Path) -> None:
    token = await app_token(fresh_database_url)
    with running_server(fresh_database_url, token, tmp_path) as server:
        assert "errors" not in server.graphql(GUARDED)

        database = Database(fresh_database_url, pool_size=1)
        context = ServiceContext(make_environment(database), SYSTEM, "test")
        (app,) = await apps.list_all(context)
        await apps.revoke(context, app.id)
        await database.close()

        assert code_when_refused(server) == "UNAUTHENTICATED"


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"]])
def test_a_taken_port_is_one_line(fresh_database_url: str, tmp_path: Path, arguments: list[str]) -> None:
    with running_server(fresh_database_url, "", tmp_path) as server:
        command = [str(Path(sys.executable).with_name("ordertide")), "serve", "--port", str(server.port)]
        second = subprocess.run(
            [*command, *arguments],
            env={"ORDERTIDE_DATABASE_URL": fresh_database_url, "ORDERTIDE_SECRET_KEY": SECRET_KEY},
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_START,
            check=False,
        )

    assert second.returncode == 2
    assert second.stdout == ""
    (line,) = second.stderr.splitlines()
    assert "--port" in line
    assert "PORT=" in line


@pytest.mark.parametrize("arguments", [[], ["--workers", "2"]])
def test_a_server_that_cannot_start_says_why_and_fails(tmp_path: Path, arguments: list[str]) -> None:
    blocked = tmp_path / "home"
    blocked.write_text("a file, where a folder is needed")
    started = subprocess.run(
        [str(Path(sys.executable).with_name("ordertide")), "serve", "--port", "0", *arguments],
        env=child_environment(home=str(blocked)),
        capture_output=True,
        text=True,
        timeout=SECONDS_TO_START,
        check=False,
    )

    assert started.returncode == 3
    assert "server_failed" in started.stderr
    assert f"Cannot write to {blocked}" in started.stderr
    assert "Traceback" not in started.stderr


def test_several_processes_serve_one_port_and_stop_together(fresh_database_url: str, tmp_path: Path) -> None:
    with running_server(fresh_database_url, "", tmp_path, "--workers", "2") as server:
        for _ in range(20):
            with httpx.Client(base_url=server.url) as client:
                assert client.post("/graphql", json=CHANNELS).json()["data"] == {"channels": []}

        assert server.stop() == 0
