"""What the landmarks are: one table per annotation scheme, and converters between them."""

from efficientfan.schema.landmark_schema import LandmarkSchema
from efficientfan.schema.registry import get_schema, list_schemas, load_schema

__all__ = ["LandmarkSchema", "get_schema", "list_schemas", "load_schema"]
