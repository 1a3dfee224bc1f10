"""What taking a unit of scarce stock will cost later orders.

The price of a SKU at a site is the multiplier of its stock in the joint problem of all orders to come (a bid
price, as airlines sell seats by: Talluri and van Ryzin 1998). It is found by stochastic dual descent: orders
are drawn from the outlook, each decides for itself at the present prices, and where together they want more
than there is the price rises, where less it falls. Orders already known take part as they are. Prices weigh
in a decision as `Problem.stock_price`; where stock is ample they are zero.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from domain.routing.deciding import decide
from domain.routing.outlook import Outlook, TableOrder
from domain.routing.problem import FloatArray, IntArray

_FIRST_ROUNDS, _LATER_ROUNDS = 40, 16
_SLOWING = 10.0
"""Rounds after which steps are half as long."""
_AVERAGED = 0.6
"""Share of the rounds whose prices are averaged: single ones swing about the right price."""
_CAUTION = 0.9
"""What of a price is charged: what orders will come is a guess."""


def price_stock(
    outlook: Outlook,
    stock: IntArray,
    expected: FloatArray,
    orders_ahead: int,
    *,
    known: Sequence[TableOrder] = (),
    start: FloatArray | None = None,
    rounds: int | None = None,
    seed: int = 0,
) -> FloatArray:
    """Return (skus, sites) prices of a unit of this stock until the next delivery.

    Args:
        outlook: where and how much is ordered.
        stock: (skus, sites) what may be taken, by the known orders too.
        expected: (skus,) units likely to be asked for, those of the known orders included.
        orders_ahead: about how many orders that will be, those known not counted.
        known: orders waiting to be decided.
        start: prices of an earlier time, to go on from; fewer rounds are enough then.
        rounds: how often orders are drawn; each costs about a third of a millisecond an order.
        seed: the same one gives the same prices.
    """
    draw = np.random.default_rng(seed)
    prices = np.zeros(stock.shape) if start is None else start / _CAUTION
    rounds = rounds or (_FIRST_ROUNDS if start is None else _LATER_ROUNDS)
    asked = np.zeros(len(stock))
    for order in known:
        asked[order.rows] += order.problem.demand
    to_come = np.maximum(expected - asked, 0.0)
    held = np.maximum(stock.sum(axis=1), 1)[:, None]
    total, averaged = np.zeros(stock.shape), max(1, round(_AVERAGED * rounds))
    for number in range(rounds):
        orders = [*known, *outlook.draw(draw, to_come, orders_ahead)]
        step = outlook.unit_costs[:, None] * _SLOWING / (_SLOWING + number)
        prices = np.maximum(prices + step * (_wanted(orders, stock, prices) - stock) / held, 0.0)
        if number >= rounds - averaged:
            total += prices
    return _CAUTION * total / averaged


def _wanted(orders: Sequence[TableOrder], stock: IntArray, prices: FloatArray) -> IntArray:
    """Return what the orders take at these prices if each has all the stock to itself."""
    wanted = np.zeros(stock.shape, np.int64)
    for order in orders:
        supply = stock[order.rows]
        if order.problem.supply.any():
            supply = np.minimum(supply, order.problem.supply)
        alone = replace(order.problem, supply=supply, stock_price=prices[order.rows])
        wanted[order.rows] += decide(alone).allocation
    return wanted
