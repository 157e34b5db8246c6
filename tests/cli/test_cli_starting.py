"""Imports without garbage collection, which is on again afterwards."""

import gc

import pytest

from efficientfan.cli.starting import starting


def test_no_garbage_is_looked_for_inside_and_what_was_made_is_passed_over_later():
    kept = []
    before = gc.get_freeze_count()
    try:
        with starting():
            assert not gc.isenabled()
            kept += [[] for _ in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


def test_an_import_that_fails_does_not_end_it():
    try:
        with pytest.raises(ImportError), starting():
            raise ImportError("no module")
        assert gc.isenabled()
    finally:
        gc.unfreeze()
