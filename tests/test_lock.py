"""The digests of the checks' packages are of the versions that the checks are pinned to."""

from __future__ import annotations

import re
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent / "scripts"
NOT_LOCKED = {
    "torch": "its files differ between package indexes",
    "torchvision": "as torch",
    "cyclonedx-bom": "scripts/audit installs it",
    "pip-audit": "scripts/audit installs it",
    "ray": "no check installs the extra batch",
}


def pins(name: str, line: str) -> dict[str, str]:
    """Package -> version."""
    lines = (SCRIPTS / name).read_text().splitlines()
    found = [re.fullmatch(line, each) for each in lines if each and not each.startswith("#")]
    assert all(found), f"{name}: another line"
    return {re.sub("[-_.]+", "-", each[1]).lower(): each[2] for each in found if each}


def test_the_lock_is_of_the_pinned_versions() -> None:
    wanted = pins("constraints.txt", r'([\w.-]+)==(\S+?)(?:; python_version >= "3.11")?(?: #.*)?')
    locked = pins("locked.txt", r"([\w.-]+)==(\S+) --hash=sha256:[0-9a-f]{64}")
    assert NOT_LOCKED.keys() <= wanted.keys()
    wanted = {package: version for package, version in wanted.items() if package not in NOT_LOCKED}
    assert wanted == {package: locked.get(package) for package in wanted}, "run scripts/lock"
    assert not NOT_LOCKED.keys() & locked.keys()
