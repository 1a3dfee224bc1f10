"""Reading a GraphQL request out of HTTP: headers, media types, bodies and query strings."""

from collections.abc import Mapping
from enum import Enum
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.types import Scope

from realtime.operations import OperationRequest

_LONGEST_QUERY_STRING = 16_384


class BadRequest(Exception):
    """The request is not GraphQL over HTTP; the status says how."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str = "BAD_USER_INPUT",
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers


class MediaType(Enum):
    """The two forms of an answer; they differ in which status says what."""

    JSON = "application/json"
    GRAPHQL = "application/graphql-response+json"

    @property
    def content_type(self) -> bytes:
        """The header's value."""
        return _CONTENT_TYPES[self]


_CONTENT_TYPES = {media: f"{media.value}; charset=utf-8".encode() for media in MediaType}


def headers_of(scope: Scope) -> Mapping[bytes, bytes]:
    """Return the headers by their lower-case name; the last of equal ones wins."""
    return dict(scope["headers"])


def accepted(header: bytes | None) -> MediaType | None:
    """Return the media type to answer in, or None when the client takes neither of ours."""
    if not header or header == b"*/*":
        return MediaType.JSON
    best: tuple[float, MediaType] | None = None
    for part in header.decode("latin-1").lower().split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        media = _offered(name)
        weight = _weight(parameters)
        if media is not None and weight > 0 and (best is None or weight > best[0]):
            best = (weight, media)
    return best[1] if best else None


def wants_events(headers: Mapping[bytes, bytes]) -> bool:
    """Say whether the client takes server-sent events."""
    return b"text/event-stream" in headers.get(b"accept", b"").lower()


def text_of(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """Return a header as text, if it was sent."""
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def check_content_type(header: bytes | None) -> None:
    """Raise BadRequest (415) unless the body is JSON in UTF-8."""
    if header == b"application/json":
        return
    name, *parameters = (piece.strip() for piece in (header or b"").decode("latin-1").lower().split(";"))
    if name != "application/json":
        raise BadRequest(415, "send the request as application/json")
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            raise BadRequest(415, "send the request in UTF-8")


def from_body(body: bytes) -> OperationRequest:
    """Return the request in a POST's body; raises BadRequest (400)."""
    try:
        parameters = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(400, f"the body is not JSON in UTF-8: {error.msg}") from None
    if isinstance(parameters, list):
        raise BadRequest(400, "the body must be one JSON object; batches are not served")
    if not isinstance(parameters, dict):
        raise BadRequest(400, "the body must be a JSON object with a query")
    return _request(parameters)


def from_query_string(query_string: bytes) -> OperationRequest:
    """Return the request in a GET's query string; raises BadRequest (400, 414)."""
    if len(query_string) > _LONGEST_QUERY_STRING:
        raise BadRequest(414, f"the query string is longer than {_LONGEST_QUERY_STRING} bytes: use POST")
    try:
        fields = parse_qs(query_string.decode("ascii"), errors="strict", max_num_fields=20)
    except (UnicodeDecodeError, ValueError):
        raise BadRequest(400, "the query string is not UTF-8, or has too many fields") from None
    parameters: dict[str, Any] = {name: values[-1] for name, values in fields.items()}
    for name in ("variables", "extensions"):
        if name in parameters:
            try:
                parameters[name] = orjson.loads(parameters[name])
            except orjson.JSONDecodeError:
                raise BadRequest(400, f"{name} is not JSON") from None
    return _request(parameters)


def _request(parameters: Mapping[str, Any]) -> OperationRequest:
    query = parameters.get("query")
    if not isinstance(query, str):
        raise BadRequest(400, "query must be a string with a GraphQL document")
    name = parameters.get("operationName")
    if name is not None and not isinstance(name, str):
        raise BadRequest(400, "operationName must be a string")
    variables = parameters.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise BadRequest(400, "variables must be a JSON object")
    extensions = parameters.get("extensions")
    if extensions is not None and not isinstance(extensions, dict):
        raise BadRequest(400, "extensions must be a JSON object")
    return OperationRequest(query, name or None, variables or {})


def _offered(name: str) -> MediaType | None:
    if name == MediaType.GRAPHQL.value:
        return MediaType.GRAPHQL
    if name in {MediaType.JSON.value, "application/*", "*/*"}:
        return MediaType.JSON
    return None


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
        if key.strip() == "charset" and value.strip('" ') not in {"utf-8", "utf8"}:
            return 0.0
    return 1.0
