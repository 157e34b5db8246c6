"""The examples in the metrics' docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import efficientfan.metrics

MODULES = [f"efficientfan.metrics.{m.name}" for m in pkgutil.iter_modules(efficientfan.metrics.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
