"""What is known to the code of reasons, kinds and codes is known of each kind of rule."""

from uuid import uuid4

import pytest

from domain.approvals import PARAMETERS, ApprovalRule, RuleAction, RuleKind, check
from domain.kernel.errors import InvalidInput
from domain.kernel.money import Money
from domain.order_reviews import DECLINE_CODES, HOLD_KINDS, CartFacts, History, evaluate_cart


def test_every_kind_of_rule_has_its_parameters_code_and_hold() -> None:
    assert set(PARAMETERS) == set(DECLINE_CODES) == set(HOLD_KINDS) == set(RuleKind)
    assert len(set(DECLINE_CODES.values())) == len(RuleKind)


def test_countries_are_written_in_capitals() -> None:
    rule = ApprovalRule(
        uuid4(), uuid4(), RuleKind.SHIPPING_COUNTRY, RuleAction.REVIEW, countries=frozenset({"fr"})
    )
    assert check(rule).countries == frozenset({"FR"})


def test_a_rule_that_lacks_or_has_too_much_is_refused_by_the_name_of_the_field() -> None:
    rule = ApprovalRule(uuid4(), uuid4(), RuleKind.VELOCITY, RuleAction.REVIEW, orders_from=3)
    with pytest.raises(InvalidInput) as caught:
        check(rule)
    assert caught.value.path == ("withinMinutes",)


@pytest.mark.parametrize(("orders", "fires"), [(2, False), (3, True), (4, True)])
def test_velocity_lets_as_many_orders_through_as_it_names(orders: int, fires: bool) -> None:
    rule = ApprovalRule(
        uuid4(), uuid4(), RuleKind.VELOCITY, RuleAction.DECLINE, orders_from=3, within_minutes=10
    )
    history = History({rule.id: {"EMAIL": orders, "CLIENT_ADDRESS": 0}})
    found = evaluate_cart([rule], CartFacts(Money(1, "EUR"), "DE", None, history))
    assert bool(found.reasons) is fires
    if fires:
        assert found.reasons[0].message == f"{orders} other orders within 10 minutes, by EMAIL"
