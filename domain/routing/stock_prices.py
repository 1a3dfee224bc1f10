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

_FIRST_ROUNDS, _LATER_ROUNDS = 60, 28
_SLOWING = 10.0
"""Rounds after which steps are half as long."""
_HEAD_START = 20
"""Rounds that known prices are taken to have behind them: long steps would only unsettle them."""
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
    most_drawn: int = 1_000,
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
        most_drawn: orders drawn in a round at most; of more to come a sample stands for all.
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
    worth = outlook.unit_costs[:, None] + outlook.parcel_share
    total, averaged = np.zeros(stock.shape), max(1, round(_AVERAGED * rounds))
    share = min(1.0, most_drawn / max(orders_ahead, 1))
    for number in range(rounds):
        sample = outlook.draw(draw, to_come * share, round(orders_ahead * share))
        wanted = _wanted(known, stock, prices) + _wanted(sample, stock, prices) / share
        step = worth * _SLOWING / (_SLOWING + number + (0 if start is None else _HEAD_START))
        prices = np.maximum(prices + step * (wanted - stock) / held, 0.0)
        if number >= rounds - averaged:
            total += prices
    return _CAUTION * total / averaged


def _wanted(orders: Sequence[TableOrder], stock: IntArray, prices: FloatArray) -> IntArray:
    """Return what the orders take at these prices if each has all the stock to itself."""
    wanted = np.zeros(stock.shape, np.int64)
    for order in orders:
        supply = np.minimum(stock[order.rows], order.problem.supply)
        alone = replace(order.problem, supply=supply, stock_price=prices[order.rows])
        wanted[order.rows] += decide(alone).allocation
    return wanted
