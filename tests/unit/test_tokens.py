"""Secret tokens: only the server's key makes them, and each names one aggregate of one kind."""

from uuid import UUID

import pytest

from domain.kernel.ids import new_id
from services.tokens import TokenSigner, TokenSubject

SIGNER = TokenSigner("k" * 32)


def test_a_token_names_what_it_was_made_for() -> None:
    cart = new_id()
    assert SIGNER.read("cart", SIGNER.sign("cart", cart, 7)) == TokenSubject(cart, 7)


def test_the_same_cart_has_the_same_token_every_time() -> None:
    cart = new_id()
    assert SIGNER.sign("cart", cart, 1) == SIGNER.sign("cart", cart, 1)
    assert SIGNER.sign("cart", cart, 1) != SIGNER.sign("cart", cart, 2)


def test_a_cart_token_does_not_open_an_order_with_the_same_id() -> None:
    token = SIGNER.sign("cart", new_id(), 1)
    assert SIGNER.read("order", token) is None


def test_another_servers_token_is_refused() -> None:
    assert SIGNER.read("cart", TokenSigner("x" * 32).sign("cart", new_id(), 1)) is None


@pytest.mark.parametrize("token", ["", "a", "====", "\0", "é" * 20, "A" * 48, "A" * 10_000])
def test_nonsense_is_refused_and_raises_nothing(token: str) -> None:
    assert SIGNER.read("cart", token) is None


def test_no_single_changed_character_is_accepted() -> None:
    token = SIGNER.sign("cart", UUID(int=5), 1)
    for index in range(len(token)):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        assert SIGNER.read("cart", changed) is None


def test_a_number_stands_for_an_address_and_only_our_key_tells_which() -> None:
    number = SIGNER.address_number("203.0.113.7")
    assert number is not None
    assert number == SIGNER.address_number("203.0.113.7") == SIGNER.address_number("::ffff:203.0.113.7")
    assert number not in {
        SIGNER.address_number("203.0.113.8"),
        TokenSigner("x" * 32).address_number("203.0.113.7"),
    }
    # One customer of a network gets a whole /64.
    home = SIGNER.address_number("2001:db8:1:2::1")
    assert home == SIGNER.address_number("2001:db8:1:2:ffff::9") != SIGNER.address_number("2001:db8:1:3::1")


@pytest.mark.parametrize("nowhere", [None, "", "unknown", "/run/shop.sock"])
def test_what_is_no_address_has_no_number(nowhere: str | None) -> None:
    assert SIGNER.address_number(nowhere) is None
