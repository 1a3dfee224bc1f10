"""What is decided about returns by itself, without a database."""

from dataclasses import replace

import pytest

from domain.kernel.errors import IllegalTransition, InvalidInput
from domain.orders import Order, OrderStatus
from domain.return_policies import ReturnPolicy
from domain.return_receipts import Look, inspect, receive
from domain.return_requests import AskedLine, Obstacle, arrivals_of, request
from domain.returns import Disposition, Grade, Return, ReturnReason, ReturnStatus, ReturnWish, is_link
from domain.shipments import ShipmentStatus
from tests.return_cases import LINE, NOW, UNITS, honest, line_of


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "http://a.example/1.jpg",
        "https://",
        "https:///etc/passwd",
        "https://shop.example@evil.example/1.jpg",
        "https://shop.example\\@evil.example",
        "https://a.example/\u202egpj.exe",
    ],
)
def test_links_to_pictures_are_what_they_look_like(link: str) -> None:
    assert not is_link(link)
    assert is_link("https://a.example/@me/1.jpg?size=2#a")


def test_units_are_missing_or_here_and_looked_at_once() -> None:
    found = line_of(honest(), quantity=3).found
    found, (line,) = replace(found, status=ReturnStatus.APPROVED), found.lines

    def seen(units: int, disposition: Disposition, grade: Grade = Grade.AS_NEW) -> Return:
        return inspect(found, [Look(line.id, units, disposition, grade)], NOW)[0]

    def here(units: int) -> Return:
        return receive(found, {line.id: units}, LINE, NOW)[0]

    found = seen(1, Disposition.MISSING)
    assert found.version == 2
    with pytest.raises(InvalidInput):
        here(3)
    found = here(1)
    assert (found.status, found.version, found.received_at) == (ReturnStatus.PARTIALLY_RECEIVED, 3, None)
    found = seen(1, Disposition.RESTOCKED)
    for units, disposition in ((1, Disposition.RESTOCKED), (2, Disposition.MISSING)):
        with pytest.raises(InvalidInput):
            seen(units, disposition)
    found = here(1)
    assert (found.status, found.version, found.received_at) == (ReturnStatus.RECEIVED, 5, NOW)
    with pytest.raises(InvalidInput):
        seen(1, Disposition.RESTOCKED, Grade.NOT_OURS)
    found = seen(1, Disposition.PROCESSING_REQUIRED, Grade.NOT_OURS)
    assert (found.status, found.version) == (ReturnStatus.INSPECTED, 6)
    (line,) = found.lines
    assert (line.quantity_received, line.quantity_accepted, line.quantity_missing) == (2, 1, 1)
    kept = replace(found, status=ReturnStatus.APPROVED, keeps_items=True)
    with pytest.raises(IllegalTransition):
        receive(kept, {line.id: 1}, LINE, NOW)
    with pytest.raises(IllegalTransition):
        inspect(kept, [], NOW)


def test_a_request_names_what_its_order_rules_out() -> None:
    case = honest()
    asked = [AskedLine(LINE, 1, ReturnReason.SIZE)]

    def made(order: Order, wish: ReturnWish) -> Return:
        return request(order, case.eligible, asked, wish, None, "anonymous", NOW)

    nobody = replace(case.order, email=None)
    assert made(nobody, ReturnWish.REFUND).status is ReturnStatus.REQUESTED
    for wish in (ReturnWish.EXCHANGE, ReturnWish.STORE_CREDIT):
        with pytest.raises(InvalidInput) as wrong:
            made(nobody, wish)
        assert wrong.value.path == ("wish",)
    for status in set(OrderStatus) - {OrderStatus.OPEN, OrderStatus.COMPLETED, OrderStatus.CANCELED}:
        with pytest.raises(IllegalTransition) as refused:
            made(replace(case.order, status=status), ReturnWish.REFUND)
        assert refused.value.path == ("ref",)


def test_only_what_a_carrier_has_delivered_has_arrived() -> None:
    (one,), (parcel,) = honest().eligible, honest().shipments
    assert arrivals_of(one.line, [parcel]).delivered_units == UNITS
    for status in set(ShipmentStatus) - {ShipmentStatus.DELIVERED}:
        assert arrivals_of(one.line, [replace(parcel, status=status)]).delivered_units == 0


def test_of_a_final_sale_nothing_may_simply_be_returned() -> None:
    (one,) = honest(ReturnPolicy(final_sale=True)).eligible
    assert (one.returnable, one.obstacles, one.most) == (0, (Obstacle.FINAL_SALE,), UNITS)
    assert honest().eligible[0].returnable == UNITS
