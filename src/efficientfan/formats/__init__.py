"""File formats of faces and their landmarks, one a module, with reader and writer: COCO, CSV, .pts, JSON lines."""

__all__: list[str] = []
