"""Damaged inputs of every kind, the same each time: taken, or refused as documented. benchmarks/fuzz.py tries more."""

from __future__ import annotations

import pytest
from fuzzing import ACCEPTED, KINDS, REFUSED, case, judge, opened

FEW = {"images": 600, "model.safetensors": 80, "commands": 50}


@pytest.mark.parametrize("name", KINDS)
def test_nothing_but_documented_errors(name, tmp_path):
    wrong, outcomes = {}, set()
    with opened(name, tmp_path) as kind:
        for number in range(FEW.get(name, 200)):
            outcome = judge(kind, case(kind, 0, number))
            outcomes.add(outcome)
            if outcome not in (ACCEPTED, REFUSED):
                wrong[number] = outcome
    assert not wrong, f"python benchmarks/fuzz.py {name} --only NUMBER"
    assert outcomes == {ACCEPTED, REFUSED}  # else it would try too little
