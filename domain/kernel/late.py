"""Functions and classes whose modules are imported when they are first called, not when a process starts.

For large libraries that most processes never use: what draws PDFs takes 30 MB and 200 ms, a carrier's client
library 6 MB. Whoever uses one says beside it where it comes from, for everything that reads source instead of
running it: types are checked, and import contracts hold, as for any other import.

    if TYPE_CHECKING:
        from providers.documents.pdf import PdfDocuments
    else:
        PdfDocuments = late("providers.documents.pdf:PdfDocuments")
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


def late(path: str) -> Callable[..., Any]:
    """Return what stands for `module:name` and may only be called; the first call imports it.

    Importing takes its time: the first call belongs in a thread, or where a process starts. Several threads
    may call at once. A path that leads nowhere raises ImportError or AttributeError there, and is kept from
    getting so far by tests/architecture.
    """
    module, _, name = path.partition(":")

    @cache
    def found() -> Callable[..., Any]:
        target: Callable[..., Any] = getattr(import_module(module), name)
        return target

    def call(*arguments: Any, **named: Any) -> Any:
        return found()(*arguments, **named)

    return call
