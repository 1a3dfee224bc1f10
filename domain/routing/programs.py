"""Linear and mixed-integer programs over arrays, and what a solver answers; knows no solver."""

from dataclasses import dataclass

from domain.routing.problem import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Minimise `cost` over 0 <= x <= `most`, with each row of the matrix between `lower` and `upper`."""

    cost: FloatArray
    most: FloatArray
    lower: FloatArray
    upper: FloatArray
    rows: IntArray
    """Row of each entry of the matrix."""
    columns: IntArray
    """Column of each entry of the matrix."""
    values: FloatArray
    whole: BoolArray | None = None
    """Which columns are whole numbers; None: none."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What HiGHS found within its limits."""

    values: FloatArray | None
    """None when no solution was found in time."""
    bound: float
    """Nothing is cheaper; minus infinity if unknown."""
    duals: FloatArray | None
    """What a unit more of each row's limit would change; of linear programs solved to the end only."""
