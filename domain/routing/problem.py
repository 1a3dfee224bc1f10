"""One order to be routed as arrays, and the decision about it.

Rows are SKUs (equal lines merged before), columns are sites. Costs are in any one unit of money; quantities
are whole units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MAX_UNITS = 10**12
"""Most units of one SKU in an order: sums over a thousand of them are still exact as floating numbers."""
MAX_COST = 1e15
"""Greatest single cost, either way: beyond it a cent would be lost in rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What an order needs and what each site could give for it.

    Sending a parcel from a site costs `opening_cost` once, each unit of it `unit_cost`, and each parcel
    beyond the first `split_penalty`. Units that no site has are not asked for (`Decision.short`).

    Raises:
        ValueError: an array has the wrong shape, is no number, or is out of range; the message says which.
    """

    demand: IntArray
    """(skus,) units."""
    supply: IntArray
    """(skus, sites) units that this order may take there; what it holds itself counts."""
    opening_cost: FloatArray
    """(sites,) cost of sending a parcel from the site at all: shipping base, handling, lateness."""
    unit_cost: FloatArray
    """(skus, sites) cost of each unit."""
    split_penalty: float = 0.0
    """Cost of each parcel beyond the first."""
    stock_price: FloatArray | None = None
    """(skus, sites) what taking a unit will cost later orders: it weighs in the choice and is told apart."""

    def __post_init__(self) -> None:
        demand = _quantities(self.demand, "demand", 1)
        supply = _quantities(self.supply, "supply", 2)
        opening_cost = _costs(self.opening_cost, "opening_cost", 1)
        unit_cost = _costs(self.unit_cost, "unit_cost", 2)
        shape = (len(demand), len(opening_cost))
        _same_shape(supply, shape, "supply")
        _same_shape(unit_cost, shape, "unit_cost")
        if len(opening_cost) and opening_cost.min() < 0:
            raise ValueError("opening_cost is below zero")
        if not 0 <= self.split_penalty <= MAX_COST:
            raise ValueError("split_penalty is below zero, too great, or no number")
        if len(demand) and demand.max() > MAX_UNITS:
            raise ValueError(f"demand is above {MAX_UNITS}")
        object.__setattr__(self, "demand", demand)
        object.__setattr__(self, "supply", supply)
        object.__setattr__(self, "opening_cost", opening_cost)
        object.__setattr__(self, "unit_cost", unit_cost)
        if self.stock_price is not None:
            stock_price = _costs(self.stock_price, "stock_price", 2)
            _same_shape(stock_price, shape, "stock_price")
            object.__setattr__(self, "stock_price", stock_price)

    @property
    def weighed_cost(self) -> FloatArray:
        """(skus, sites) what a unit weighs in the choice: its cost and its stock price."""
        return self.unit_cost if self.stock_price is None else self.unit_cost + self.stock_price

    def usable(self) -> IntArray:
        """Return (skus, sites) what of the supply the order could want."""
        return np.minimum(self.supply, self.demand[:, None])

    def cost_of(self, allocation: IntArray) -> float:
        """Return what this allocation costs, without stock prices."""
        parcels = any_by_column(allocation)
        count = int(np.count_nonzero(parcels))
        if not count:
            return 0.0
        penalty = self.split_penalty * (count - 1)
        return float(self.opening_cost[parcels].sum()) + _product(self.unit_cost, allocation) + penalty

    def price_of(self, allocation: IntArray) -> float:
        """Return the stock prices of what this allocation takes."""
        return 0.0 if self.stock_price is None else _product(self.stock_price, allocation)


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """Which site sends what, what it costs, and how good that is provably."""

    allocation: IntArray
    """(skus, sites) units."""
    cost: float
    """What it costs, without stock prices."""
    price: float
    """The stock prices of what is taken."""
    bound: float
    """No plan has a smaller sum of cost and price than this; equal to theirs where proven."""
    proven: bool
    """Whether no plan is better (to a billionth)."""
    short: IntArray
    """(skus,) units that nobody has."""
    method: str
    """How it was found: "single_site", "search", "branch_and_bound" or "highs", or a strategy's name."""

    @property
    def total(self) -> float:
        """Cost and stock prices: what the choice was made by."""
        return self.cost + self.price

    @property
    def gap(self) -> float:
        """By how much of its cost the plan could still be too dear, 0 to 1."""
        return 0.0 if self.proven or self.total <= self.bound else (self.total - self.bound) / abs(self.total)


def any_by_column(table: IntArray | BoolArray) -> BoolArray:
    """Return (columns,) whether anything in the column is not zero."""
    columns: BoolArray = np.logical_or.reduce(table, axis=0)
    return columns


def _product(costs: FloatArray, allocation: IntArray) -> float:
    return float((costs * allocation).sum())


def _quantities(given: ArrayLike, name: str, dimensions: int) -> IntArray:
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"{name} is not whole numbers")
    if array.ndim != dimensions:
        raise ValueError(f"{name} has {array.ndim} dimensions, not {dimensions}")
    units = array.astype(np.int64, copy=False)
    if units.size and units.min() < 0:
        raise ValueError(f"{name} is below zero")
    return units


def _costs(given: ArrayLike, name: str, dimensions: int) -> FloatArray:
    array = np.asarray(given)
    if array.size and array.dtype.kind not in "iuf":
        raise ValueError(f"{name} is not numbers")
    if array.ndim != dimensions:
        raise ValueError(f"{name} has {array.ndim} dimensions, not {dimensions}")
    costs = array.astype(np.float64, copy=False)
    # Written so that what is no number is refused too.
    if costs.size and not (costs.max() <= MAX_COST and costs.min() >= -MAX_COST):
        raise ValueError(f"{name} is too great or no number")
    return costs


def _same_shape(array: IntArray | FloatArray, shape: tuple[int, int], name: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} is {array.shape}, not {shape} (skus, sites)")
