"""What /metrics counts of GraphQL: requests by kind and outcome, and how long they took."""

from typing import Any

from prometheus_client import Counter, Histogram

_REQUESTS = Counter(
    "ordertide_graphql_requests_total", "GraphQL requests over HTTP by kind and outcome.", ["kind", "outcome"]
)
_SECONDS = Histogram(
    "ordertide_graphql_request_seconds",
    "Time to answer GraphQL requests over HTTP.",
    ["kind"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_KINDS = ("query", "mutation", "none")
_TIMERS = {kind: _SECONDS.labels(kind) for kind in _KINDS}
_ANSWERED = {kind: _REQUESTS.labels(kind, "ok") for kind in _KINDS}


def observe_request(kind: str, answer: dict[str, Any], seconds: float) -> None:
    """Count one answered request; its outcome is the first error's code, or ok."""
    _TIMERS[kind].observe(seconds)
    errors = answer.get("errors")
    if not errors:
        _ANSWERED[kind].inc()
        return
    _REQUESTS.labels(kind, errors[0]["extensions"]["code"]).inc()
