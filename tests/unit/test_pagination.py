"""Cursors of lists: what a client may have forged never reaches the database."""

from typing import Any

import pytest

from api.pagination import cursor, page_request
from domain.kernel.errors import InvalidInput


def test_a_cursor_is_read_back() -> None:
    assert page_request("order", [int, str], None, cursor("order", 2**63 - 1, "x")).after == (2**63 - 1, "x")


@pytest.mark.parametrize("key", [(2**63, "x"), (2**64 - 1, "x"), ("1", "x"), (1, "\0"), (1,)])
def test_a_key_that_the_database_cannot_have_is_no_cursor(key: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidInput) as refused:
        page_request("order", [int, str], None, cursor("order", *key))
    assert refused.value.path == ("after",)
