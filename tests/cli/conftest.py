"""Fixtures of the commands' tests: the evaluation's small data set and the model that knows it."""

from drawn_test_set import faces, oracle

__all__ = ["faces", "oracle"]
