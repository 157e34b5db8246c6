"""What the landmarks are: one table per annotation scheme, and converters between them."""

from efficientfan.schema.convert import (
    Conversion,
    convert_points,
    convert_scores,
    convert_visibility,
    get_conversion,
    list_conversions,
)
from efficientfan.schema.landmark_schema import LandmarkSchema
from efficientfan.schema.registry import get_schema, list_schemas, load_schema

__all__ = [
    "Conversion",
    "LandmarkSchema",
    "convert_points",
    "convert_scores",
    "convert_visibility",
    "get_conversion",
    "get_schema",
    "list_conversions",
    "list_schemas",
    "load_schema",
]
