"""How good and how fast orders are routed: real orders, large ones, and streams over stock that runs low.

Reads `routing/` of the folder that ORDERTIDE_TEST_DATA names (real orders over 10 and 20 sites; streams of
1,000 orders with 1,000 past ones to learn from); without it, generated orders alone are measured. No server
and no database: the solver in this process. One JSON line a family, the large orders, and each stream.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench._harness import report
from bench._routing_data import Stream, any_costs, families, large, streams
from domain.routing.batches import decide_together
from domain.routing.deciding import decide
from domain.routing.explanation import explain
from domain.routing.mixed_integer import optimum
from domain.routing.outlook import Outlook, expected_until_delivery
from domain.routing.problem import FloatArray, Problem
from domain.routing.stock_prices import price_stock

_JUDGED = 10
"""Every tenth order is solved by HiGHS too, to the end."""
_BATCH = 100
_FUTURES = 6
"""Drawn for every batch."""
_RESERVE, _RESERVE_UNITS = 0.13, 1.3
"""Of a stream's stock: 15 % on top of what is asked for, and a unit or two more, as the least stock of any
SKU shows (3), and stock in general beside what was asked for in the past."""
_WARM_UP = 20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=10, help="how many streams to play at most")
    parser.add_argument("--large", type=int, default=10, help="how many orders of 200 lines over 200 sites")
    given, _ = parser.parse_known_args()
    folder = os.environ.get("ORDERTIDE_TEST_DATA")
    data = Path(folder) / "routing" if folder else None
    if data is None or not data.is_dir():
        report(benchmark="routing", skipped="real orders", reason="ORDERTIDE_TEST_DATA has no routing/")
        data = None
    measured = [_measure_family(name, orders) for name, orders in families(data)]
    measured.append(_measure_family("any_costs", [(one, None) for one in any_costs(200)]))
    # HiGHS comes last: its threads would count in the CPU time of what is measured.
    _let_highs_say_its_name()
    for line, judged in measured:
        agreeing = sum(abs(optimum(one) - total) <= 1e-6 * max(1.0, total) for one, total in judged)
        report(**line, judged_by_highs=len(judged), agreeing=agreeing)
    for seed in range(given.large):
        _measure_large(seed, large(seed))
    for stream in streams(data)[: given.streams]:
        _measure_stream(stream)


def _let_highs_say_its_name() -> None:
    """Send the line that HiGHS prints once a process, past Python, where nobody takes it for JSON."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    optimum(any_costs(1)[0])
    os.dup2(stdout, 1)
    os.close(stdout)


def _measure_family(
    name: str, orders: list[tuple[Problem, float | None]]
) -> tuple[dict[str, Any], list[tuple[Problem, float]]]:
    """Return what was measured, and orders with our costs for HiGHS to judge."""
    walls, cpus, proven, gaps, judged = [], [], 0, [], []
    for problem, _ in orders[:_WARM_UP]:
        explain(problem, decide(problem))
    for number, (problem, stored) in enumerate(orders):
        wall, cpu = time.perf_counter(), time.process_time()
        decision = decide(problem)
        explain(problem, decision)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        proven += decision.proven
        if stored:
            gaps.append(abs(decision.cost / stored - 1))
        if number % _JUDGED == 0:
            judged.append((problem, decision.total))
    line: dict[str, Any] = {
        "benchmark": "routing", "family": name, "orders": len(orders),
        "most_sites": max(problem.supply.shape[1] for problem, _ in orders),
        "proven_percent": round(100 * proven / len(orders), 2),
        "wall_ms": _percentiles(walls), "cpu_ms": _percentiles(cpus),
    }  # fmt: skip
    if gaps:
        line["farthest_from_stored_percent"] = round(100 * max(gaps), 4)
    return line, judged


def _measure_large(seed: int, problem: Problem) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    decision = decide(problem, time_limit_seconds=9.5)
    decided, cpu = time.perf_counter(), time.process_time() - cpu
    explain(problem, decision)
    report(
        benchmark="routing", family="large", seed=seed, sites=problem.supply.shape[1],
        lines=len(problem.demand), method=decision.method,
        stated_gap_percent=round(100 * decision.gap, 3), seconds=round(decided - began, 2),
        cpu_seconds=round(cpu, 2),
        explanation_seconds=round(time.perf_counter() - decided, 2),
    )  # fmt: skip


def _measure_stream(stream: Stream) -> None:
    ways: dict[str, Callable[[Stream], float]] = {
        "each_cheapest": _each_cheapest,
        "each_with_prices": _each_with_prices,
        "batches_with_prices": _batches,
    }  # fmt: skip
    line: dict[str, Any] = {}
    costs = {}
    for name, play in ways.items():
        cpu = time.process_time()
        costs[name] = play(stream)
        line[f"{name}_cpu_s"] = round(time.process_time() - cpu, 1)
        line[f"{name}_above_bound_percent"] = round(100 * (costs[name] / stream.bound - 1), 3)
    saved = 100 * (1 - costs["each_with_prices"] / costs["each_cheapest"])
    report(
        benchmark="routing", stream=stream.name, orders=len(stream.orders),
        saved_by_prices_percent=round(saved, 3), **line,
    )  # fmt: skip


def _each_cheapest(stream: Stream) -> float:
    left, cost = stream.stock.copy(), 0.0
    for order in stream.orders:
        decision = decide(replace(order.problem, supply=left[order.rows]))
        left[order.rows] -= decision.allocation
        cost += decision.cost
    return cost


def _each_with_prices(stream: Stream) -> float:
    """Each order at once, with prices that are learned anew every hundred orders from those before."""
    left, cost, prices = stream.stock.copy(), 0.0, None
    for start in range(0, len(stream.orders), _BATCH):
        prices = _learn(stream, left, start, 0, prices)
        for order in stream.orders[start : start + _BATCH]:
            priced = replace(order.problem, supply=left[order.rows], stock_price=prices[order.rows])
            decision = decide(priced)
            left[order.rows] -= decision.allocation
            cost += decision.cost
    return cost


def _batches(stream: Stream) -> float:
    """Hundred orders together, knowing them and those before."""
    left, cost, prices = stream.stock.copy(), 0.0, None
    for start in range(0, len(stream.orders), _BATCH):
        batch = stream.orders[start : start + _BATCH]
        prices = _learn(stream, left, start, len(batch), prices)
        # The work within is limited; time is not, so that a crowded machine gets the same figures.
        together = decide_together(batch, left, prices=prices, time_limit_seconds=np.inf)
        for order, decision in zip(batch, together, strict=True):
            left[order.rows] -= decision.allocation
            cost += decision.cost
    return cost


def _learn(stream: Stream, left: Any, start: int, known: int, prices: FloatArray | None) -> FloatArray:
    seen = start + known
    return price_stock(
        Outlook([*stream.past, *stream.orders[:seen]], len(left)),
        left,
        expected_until_delivery(left, stream.stock, _RESERVE, _RESERVE_UNITS),
        len(stream.orders) - seen,
        known=stream.orders[start:seen],
        start=prices,
        futures=_FUTURES,
        seed=start,
    )


def _percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1000, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


if __name__ == "__main__":
    main()
