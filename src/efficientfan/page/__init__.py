"""The page that finds landmarks in a browser: its files, built from `web/`, with the packaged models beside them."""

from efficientfan.page.files import HEADERS, built_page, page_files, write_page

__all__ = ["HEADERS", "built_page", "page_files", "write_page"]
