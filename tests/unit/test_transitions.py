"""Status tables: what is not in them cannot happen."""

import pytest

from domain import carts, fulfillment, orders, payments, shipments
from domain.carts import CartStatus
from domain.kernel.errors import IllegalTransition
from domain.kernel.transitions import check_transition
from domain.orders import OrderStatus
from domain.payments import TransactionStatus
from persistence.status_changes import changes_to

TABLES = (
    carts.TRANSITIONS,
    fulfillment.TRANSITIONS,
    orders.TRANSITIONS,
    payments.TRANSACTION_TRANSITIONS,
    shipments.TRANSITIONS,
)


def test_an_allowed_change_has_to_be_made() -> None:
    assert check_transition(orders.TRANSITIONS, OrderStatus.OPEN, OrderStatus.CANCELED, "the order")


def test_repeating_a_change_is_no_change() -> None:
    assert not check_transition(orders.TRANSITIONS, OrderStatus.CANCELED, OrderStatus.CANCELED, "the order")


def test_a_refused_change_names_what_would_be_allowed() -> None:
    with pytest.raises(IllegalTransition) as refused:
        check_transition(orders.TRANSITIONS, OrderStatus.OPEN, OrderStatus.REJECTED, "the order")
    assert refused.value.current == "OPEN"
    assert refused.value.allowed == ("CANCELED", "COMPLETED")


def test_a_statement_names_the_statuses_it_changes() -> None:
    both = (TransactionStatus.REQUESTED, TransactionStatus.ACTION_REQUIRED)
    condition = changes_to(TransactionStatus.FAILED, payments.TRANSACTION_TRANSITIONS, *both)
    assert condition == "IN ('REQUESTED', 'ACTION_REQUIRED')"


def test_a_statement_that_strays_from_the_table_cannot_be_built() -> None:
    with pytest.raises(IllegalTransition):
        changes_to(CartStatus.CHECKOUT, carts.TRANSITIONS, CartStatus.ACTIVE, CartStatus.ABANDONED)


@pytest.mark.parametrize("table", TABLES)
def test_no_status_leads_to_itself(table: dict[str, set[str]]) -> None:
    assert all(status not in reachable for status, reachable in table.items())
