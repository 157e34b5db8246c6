"""Classes and functions of your own, named as `package.module:Name`, or as `FILE.py:Name`.

Only a recipe or an argument, which its user has chosen to run, may name code: nothing here is called for a name that
stands in a model file.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from efficientfan.errors import InputError, did_you_mean

__all__ = [
    "OWN",
    "is_reference",
    "load_callable",
    "load_class",
    "load_reference",
    "located",
    "without_folders",
]

T = TypeVar("T")

OWN = "your own as package.module:Name or FILE.py:Name"
"""For messages that list what may be named."""


def is_reference(name: object) -> bool:
    """Whether a name is `package.module:Name` or `FILE.py:Name`, not one of the package's own."""
    if not isinstance(name, str):
        return False
    module, _, attribute = name.rpartition(":")
    return bool(module) and attribute.isidentifier()


def load_reference(reference: str, what: str) -> Any:
    """Import a module, or run a file once, and take a name from it.

    Args:
        reference: for which `is_reference` holds; a relative file is looked for in the current folder.
        what: the kind of thing, for messages, such as "loss".

    Raises:
        InputError: no such module or file, it fails when it is imported, or has no such name.
    """
    source, _, name = reference.rpartition(":")
    where = f"{what} {reference!r}"
    try:
        module = (
            _from_file(Path(source).resolve()) if source.endswith(".py") else importlib.import_module(source)
        )
    except FileNotFoundError as error:
        raise InputError(f"{where}: there is no file {error.filename}") from error
    except Exception as error:  # whatever the user's own code raises
        if isinstance(error, ModuleNotFoundError) and f"{source}.".startswith(f"{error.name}."):
            raise InputError(
                f"{where}: there is no module {error.name!r}; install it, set PYTHONPATH to its folder, or name "
                "its file: FILE.py:Name"
            ) from error
        raise InputError(f"{where}: cannot be imported ({type(error).__name__}: {error})") from error
    if not hasattr(module, name):
        raise InputError(f"{where}: {source} has no {name!r};{did_you_mean(name, vars(module))}".rstrip(";"))
    return getattr(module, name)


def load_class(reference: str, base: type[T], what: str) -> type[T]:
    """A class of the user's own; arguments and errors as `load_reference`.

    Raises:
        InputError: also if it is no subclass of `base`.
    """
    found = load_reference(reference, what)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise InputError(f"{what} {reference!r}: is not a subclass of {base.__module__}.{base.__qualname__}")
    return found


def load_callable(reference: str, what: str) -> Callable[..., Any]:
    """A function of the user's own, or a fresh instance of a class that can be called; errors as `load_reference`.

    Raises:
        InputError: also if it cannot be called, or its class wants arguments.
    """
    found = load_reference(reference, what)
    if isinstance(found, type):
        try:
            found = found()
        except TypeError as error:
            raise InputError(
                f"{what} {reference!r}: its class is made without arguments ({error})"
            ) from error
    if not callable(found):
        raise InputError(f"{what} {reference!r}: is {type(found).__name__}, and cannot be called")
    function: Callable[..., Any] = found
    return function


def located(value: Any, folder: Path) -> Any:
    """A table, list or string in which each relative `FILE.py:Name` is made absolute: it lies in `folder`."""
    return _each_file(value, lambda file: str((folder / file).resolve()))


def without_folders(value: Any) -> Any:
    """The same with each `FILE.py:Name` without its folder, for files that leave this machine."""
    return _each_file(value, lambda file: Path(file).name)


def _each_file(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _each_file(each, change) for key, each in value.items()}
    if isinstance(value, list):
        return [_each_file(each, change) for each in value]
    if is_reference(value):
        file, _, name = value.rpartition(":")
        return f"{change(file)}:{name}" if file.endswith(".py") else value
    return value


@cache
def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(2, "No such file", str(path))
    name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"Python cannot load {path}")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
