"""Inference engines, one a module, and the choice among them."""

from efficientfan.predict.backends.base import Backend, BackendOutput, engine_in_words, engine_note
from efficientfan.predict.backends.registry import ENGINES, backend_class, open_backend

__all__ = [
    "Backend",
    "BackendOutput",
    "ENGINES",
    "backend_class",
    "engine_in_words",
    "engine_note",
    "open_backend",
]
