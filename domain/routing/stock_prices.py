"""What taking a unit of scarce stock will cost later orders.

The price of a SKU at a site is the multiplier of its stock in the joint problem of all orders to come (a bid
price, as airlines sell seats by: Talluri and van Ryzin 1998). It is found by stochastic dual descent: orders
are drawn from the outlook, each decides for itself at the present prices, and where together they want more
than there is the price rises, where less it falls. Orders already known take part as they are. Prices weigh
in a decision as `Problem.stock_price`; where stock is ample they are zero.
"""

from collections.abc import Callable, Sequence

import numpy as np

from domain.routing.many_alone import ManyAlone
from domain.routing.outlook import Outlook, TableOrder
from domain.routing.problem import FloatArray, IntArray

_FIRST_ROUNDS, _LATER_ROUNDS = 60, 28
_SLOWING = 10.0
"""Rounds after which steps are half as long."""
_HEAD_START = 20
"""Rounds that known prices are taken to have behind them: long steps would only unsettle them."""
_FIRST_ROUNDS_OF_FUTURES = 30
_ROUNDS_IN_A_FUTURE, _HEAD_START_IN_A_FUTURE = 14, 5
_ROUNDS_OF_KNOWN = 30
"""Where there is no future, as no more orders will come."""
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
    futures: int = 0,
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
        rounds: how often orders are drawn that all prices learn from; each costs about 0.05 ms an order.
            The default depends on whether there is a `start`; none are needed with one and `futures`.
        most_drawn: orders drawn in a round at most; of more to come a sample stands for all.
        futures: how many futures are drawn, each of all orders to come and of exactly the expected units, and
            learned from apart: for where it is well known how much will be sold, if not to whom.
        seed: the same one gives the same prices.
    """
    asked = np.zeros(len(stock))
    for order in known:
        asked[order.rows] += order.problem.demand
    descent = _Descent(outlook, stock, np.maximum(expected - asked, 0.0), orders_ahead, known, seed)
    prices = np.zeros(stock.shape) if start is None else start / _CAUTION
    if rounds is None:
        first, later = (_FIRST_ROUNDS_OF_FUTURES, 0) if futures else (_FIRST_ROUNDS, _LATER_ROUNDS)
        rounds = first if start is None else later
    if rounds:
        prices = descent.on_average(prices, rounds, most_drawn, 0 if start is None else _HEAD_START)
    if futures:
        prices = descent.in_futures(prices, futures)
    return _CAUTION * prices


class _Descent:
    """Steps towards the prices at which orders together want what there is."""

    def __init__(
        self,
        outlook: Outlook,
        stock: IntArray,
        to_come: FloatArray,
        orders_ahead: int,
        known: Sequence[TableOrder],
        seed: int,
    ) -> None:
        self._outlook, self._stock, self._known = outlook, stock, known
        self._to_come, self._orders_ahead = to_come, orders_ahead
        self._draw = np.random.default_rng(seed)
        # A SKU that is wanted by all of its stock too much gets dearer by what serving it costs, or less.
        worth = outlook.unit_costs[:, None] + outlook.parcel_share
        self._step = worth * _SLOWING / np.maximum(stock.sum(axis=1), 1)[:, None]

    def on_average(self, prices: FloatArray, rounds: int, most_drawn: int, head_start: int) -> FloatArray:
        """Return the prices of stock that lasts on average: other orders are drawn every round."""
        share = min(1.0, most_drawn / max(self._orders_ahead, 1))
        known = ManyAlone(self._known, self._stock)

        def wanted(prices: FloatArray) -> FloatArray:
            sample = self._outlook.draw(self._draw, self._to_come * share, round(self._orders_ahead * share))
            drawn: FloatArray = ManyAlone(sample, self._stock).wanted(prices) / share
            return drawn + known.wanted(prices)

        return self._descend(prices, wanted, rounds, head_start)

    def in_futures(self, prices: FloatArray, futures: int) -> FloatArray:
        """Return the average of prices, each of which is right if one future comes."""
        if self._orders_ahead <= 0:
            alone = ManyAlone(self._known, self._stock)
            return self._descend(prices, alone.wanted, _ROUNDS_OF_KNOWN, _HEAD_START_IN_A_FUTURE)
        total = np.zeros_like(prices)
        for _ in range(futures):
            future = self._outlook.draw(self._draw, self._to_come, self._orders_ahead, exactly=True)
            orders = ManyAlone([*self._known, *future], self._stock)
            total += self._descend(prices, orders.wanted, _ROUNDS_IN_A_FUTURE, _HEAD_START_IN_A_FUTURE)
        return total / futures

    def _descend(
        self,
        prices: FloatArray,
        wanted: Callable[[FloatArray], FloatArray | IntArray],
        rounds: int,
        head_start: int,
    ) -> FloatArray:
        """Return the average prices of the later of so many steps."""
        total, averaged = np.zeros_like(prices), max(1, round(_AVERAGED * rounds))
        for number in range(rounds):
            step = self._step / (_SLOWING + number + head_start)
            prices = np.maximum(prices + step * (wanted(prices) - self._stock), 0.0)
            if number >= rounds - averaged:
                total += prices
        return total / averaged
