"""What taking a unit of scarce stock will cost later orders, learned from past ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.routing.problem import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class PastOrder:
    """What an order needed, and what each site's delivery would have cost it."""

    skus: IntArray
    """(lines,) rows of the stock table; -1 for what is no longer kept."""
    units: IntArray
    """(lines,)"""
    opening_cost: FloatArray
    """(sites,)"""
    unit_cost: FloatArray
    """(lines, sites)"""


class StockPrices:
    """Prices of stock, for a table of SKUs (rows) and sites (columns)."""

    def __init__(self, past: Sequence[PastOrder], stock: IntArray, *, orders_ahead: int) -> None:
        self._past = past
        self._stock = stock

    def of(self, skus: IntArray, stock: IntArray) -> FloatArray:
        """Return (skus, sites) prices of a unit of these rows when this is what is left of them."""
        return np.zeros(stock.shape)
