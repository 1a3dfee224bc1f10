"""Several PDFs made one, by pdfium."""

import io
import threading
from collections.abc import Sequence
from contextlib import closing

import pypdfium2  # type: ignore[import-untyped]

from domain.document_ports import UnreadableDocument

# The library serves one thread at a time.
_PDFIUM = threading.Lock()


def merge_pdfs(documents: Sequence[bytes]) -> bytes:
    """Return PDFs as one, their pages in this order; raises UnreadableDocument for what is none."""
    written = io.BytesIO()
    try:
        with _PDFIUM, closing(pypdfium2.PdfDocument.new()) as whole:
            for one in documents:
                with closing(pypdfium2.PdfDocument(one)) as part:
                    whole.import_pages(part)
            whole.save(written)
    except pypdfium2.PdfiumError as error:
        raise UnreadableDocument(str(error)) from error
    return written.getvalue()
