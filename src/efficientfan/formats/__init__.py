"""File formats of faces and landmarks, one a module, with reader and writer: COCO, CSV, .pts, JSON lines, parquet."""

__all__: list[str] = []
