"""The package's version, read from its installed metadata."""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("efficientfan")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"
