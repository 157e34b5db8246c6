"""Errors that a user can mend. Each message names what was wrong and what to do about it."""

__all__ = ["EfficientFanError", "InputError", "MissingDependencyError"]


class EfficientFanError(Exception):
    """Base of all errors that this package raises on purpose; the command line exits 2 on them."""


class InputError(EfficientFanError, ValueError):
    """A file, value or option is not usable; the message names it and the mend."""


class MissingDependencyError(EfficientFanError, ImportError):
    """An optional dependency, device or model file is not there; the message says how to get it."""
