"""Inference engines, one a module, and the choice among them."""

from efficientfan.predict.backends.base import Backend, BackendOutput, engine_in_words
from efficientfan.predict.backends.registry import ENGINES, open_backend

__all__ = ["ENGINES", "Backend", "BackendOutput", "engine_in_words", "open_backend"]
