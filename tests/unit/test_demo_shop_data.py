"""The data the demo shop ships with."""

from decimal import Decimal

from app.demo_shop import shop_data


def test_every_sku_has_a_name_and_a_price_in_pence() -> None:
    items = shop_data.catalogue()

    assert len(items) == len({item.sku for item in items}) > 3000
    assert all(item.name and item.price > 0 for item in items)
    assert all(item.price == item.price.quantize(Decimal("0.01")) for item in items)


def test_the_day_sells_only_what_the_catalogue_has() -> None:
    skus = {item.sku for item in shop_data.catalogue()}
    day = shop_data.trading_day()

    assert len(day) > 100
    assert all(sku in skus and quantity > 0 for invoice in day for sku, quantity in invoice.lines)
    assert [invoice.placed_at for invoice in day] == sorted(invoice.placed_at for invoice in day)


def test_a_wholly_cancelled_invoice_is_cancelled_after_it_was_placed() -> None:
    cancelled = [invoice for invoice in shop_data.trading_day() if invoice.cancelled_at is not None]

    assert [invoice.number for invoice in cancelled] == ["537410"]
    assert all(invoice.cancelled_at > invoice.placed_at for invoice in cancelled if invoice.cancelled_at)


def test_the_shelves_can_serve_the_day() -> None:
    stock = shop_data.opening_stock()

    assert all(stock[sku] >= units for sku, units in shop_data.units_of_the_day().items())
