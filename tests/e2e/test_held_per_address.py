"""The limit of what one client address holds, on a real server: it sees where requests come from."""

from pathlib import Path

import pytest

from tests.e2e.test_abandoned_cart import CREATE, SETUP
from tests.postgres import TestServer
from tests.server import app_token, running_server


@pytest.mark.slow
async def test_a_second_cart_from_the_same_address_is_refused_more_than_is_left(
    postgres: TestServer, fresh_database_url: str, tmp_path: Path
) -> None:
    token = await app_token(fresh_database_url)
    with running_server(fresh_database_url, token, tmp_path, held_units_per_address="2") as server:
        server.graphql(SETUP)
        first = server.graphql(CREATE, token="", quantity=2)["data"]["cartCreate"]
        second = server.graphql(CREATE, token="", quantity=1)["data"]["cartCreate"]
        of_an_app = server.graphql(CREATE, quantity=1)["data"]["cartCreate"]
    assert first["userErrors"] == []
    assert [error["message"] for error in second["userErrors"]] == [
        "carts from one address hold at most 2 units together"
    ]
    assert of_an_app["userErrors"] == []
