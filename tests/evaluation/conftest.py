"""Fixtures of the evaluation's tests: a small data set and a model that knows it."""

from drawn_test_set import faces, oracle

__all__ = ["faces", "oracle"]
