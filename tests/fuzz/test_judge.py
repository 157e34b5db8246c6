"""What the fuzzing calls wrong."""

from __future__ import annotations

import pytest
from fuzzing import ACCEPTED, REFUSED, case, judge

from efficientfan.errors import InputError


class Raising:
    """Takes any input and raises this, if anything."""

    seconds, megabytes = 1.0, 1.0

    def __init__(self, error):
        self.error = error

    def draw(self, chance):
        return chance.randbytes(8)

    def run(self, content):
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, ACCEPTED),
        (InputError("a.csv: line 3: no number"), REFUSED),
        (InputError("two\nlines"), "not one line"),
        (InputError(""), "not one line"),
        (ValueError("bad"), "ValueError: 'bad' ("),
        (AssertionError("wrong"), "AssertionError"),
        (RecursionError(), "RecursionError"),
    ],
)
def test_only_documented_errors_of_one_line_are_refusals(error, outcome):
    assert judge(Raising(error), b"").startswith(outcome)


def test_a_number_and_a_seed_are_one_input():
    kind = Raising(None)
    assert case(kind, 3, 14) == case(kind, 3, 14)
    assert len({case(kind, seed, number) for seed in range(3) for number in range(3)}) == 9
