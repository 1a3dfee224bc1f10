"""How long a page of any list may be."""

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
"""The longest page; asking for more is refused by the field itself."""
