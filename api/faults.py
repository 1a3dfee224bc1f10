"""GraphQL errors: a code for programs, a message for people, and never a detail of our inside."""

from typing import Any

import structlog
from graphql import GraphQLError

from api.limits import QueryTooCostly
from domain.kernel.errors import AccessDenied, DomainError
from persistence.outages import is_outage
from realtime.cursors import FeedError

log = structlog.get_logger(__name__)

Fault = dict[str, Any]
"""A GraphQL error as clients read it: message, locations, path and extensions."""


class RequestRefused(Exception):
    """The request is answered with these errors and no data."""

    def __init__(self, errors: list[Fault]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors


def fault(code: str, message: str, **extensions: Any) -> Fault:
    """Return an error of our own making."""
    return {"message": message, "extensions": {"code": code, **extensions}}


def fault_of(error: GraphQLError, request_id: str) -> Fault:
    """Return what a client may read of `error`; what nobody expected is logged and masked."""
    formatted: Fault = {"message": error.message}
    if error.locations:
        formatted["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        formatted["path"] = error.path
    formatted["extensions"] = extensions = _extensions(error, request_id)
    if extensions["code"] == "INTERNAL":
        formatted["message"] = _masked(extensions)
    return formatted


def internal(error: Exception, request_id: str) -> Fault:
    """Return the masked form of an exception from outside any field; the caller logs it."""
    extensions: dict[str, Any] = {"code": "INTERNAL", "requestId": request_id}
    if is_outage(error):
        extensions["retryable"] = True
    return {"message": _masked(extensions), "extensions": extensions}


def _extensions(error: GraphQLError, request_id: str) -> dict[str, Any]:
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, AccessDenied | FeedError):
        return {"code": cause.code}
    if isinstance(cause, QueryTooCostly):
        return {"code": "QUERY_TOO_COSTLY"}
    if isinstance(cause, DomainError):
        named = {"argument": list(cause.path)} if cause.path else {}
        return {"code": "BAD_USER_INPUT", "reason": cause.code, **named}
    if _is_about_the_request(error, cause):
        return {"code": "BAD_USER_INPUT"}
    return _unexpected(error, cause, request_id)


def _is_about_the_request(error: GraphQLError, cause: BaseException | None) -> bool:
    """Tell errors of syntax, validation and coercion from a resolver's wrong value.

    Both are GraphQLErrors without any other cause; outside a field it is always the request, and
    inside one the first kind names the node of the document that it is about.
    """
    if cause is None:
        return True
    return isinstance(cause, GraphQLError) and (error.path is None or bool(cause.nodes))


def _unexpected(error: GraphQLError, cause: BaseException | None, request_id: str) -> dict[str, Any]:
    path = ".".join(str(step) for step in error.path or ())
    if cause is not None and is_outage(cause):
        log.warning("database_unavailable", path=path, request_id=request_id, error=type(cause).__name__)
        return {"code": "INTERNAL", "requestId": request_id, "retryable": True}
    log.error("unexpected_error", path=path, request_id=request_id, exc_info=cause or error)
    return {"code": "INTERNAL", "requestId": request_id}


def _masked(extensions: dict[str, Any]) -> str:
    if extensions.get("retryable"):
        return "the service is temporarily unavailable, try again"
    return "something went wrong on our side; quote the request id when you report it"
