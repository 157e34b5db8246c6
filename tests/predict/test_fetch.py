import hashlib
import sys
import urllib.error
from dataclasses import replace
from pathlib import Path

import pytest

from efficientfan.errors import InputError, MissingDependencyError
from efficientfan.predict.fetch import FETCHABLE, cache_dir, fetch, fetched, is_fetched

CONTENT = b"a published file" * 100


@pytest.fixture(autouse=True)
def published(monkeypatch):
    known = replace(FETCHABLE["yunet"], size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(FETCHABLE, "yunet", known)


class Network:
    """Stands in for urlopen, and counts."""

    def __init__(self, content=CONTENT, error=None):
        self.content, self.error, self.calls = content, error, 0

    def __call__(self, url, timeout):
        self.calls += 1
        self.left = self.content
        if self.error is not None:
            raise self.error
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def read1(self, size):
        chunk, self.left = self.left[:100], self.left[100:]
        return chunk


@pytest.fixture
def network(monkeypatch):
    def install(**changes):
        fake = Network(**changes)
        monkeypatch.setattr("urllib.request.urlopen", fake)
        return fake

    return install


def test_fetched_once_and_checked(network):
    fake = network()
    assert not is_fetched("yunet")
    path = fetch("yunet")
    assert path.read_bytes() == CONTENT
    assert path == cache_dir() / FETCHABLE["yunet"].file_name == fetched("yunet")
    assert fetch("yunet") == path
    assert fake.calls == 1


def test_a_damaged_copy_is_noticed_and_replaced(network):
    network()
    path = fetch("yunet")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="is damaged; run `efficientfan models fetch yunet` again"):
        fetched("yunet")
    assert fetch("yunet").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", b"<html>no</html>", CONTENT[:-1], CONTENT + b"x", CONTENT * 1000])
def test_other_content_is_not_stored(network, content):
    network(content=content)
    with pytest.raises(InputError, match="is not the published"):
        fetch("yunet")
    assert not cache_dir().exists()


@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), TimeoutError("timed out")])
def test_no_network_names_the_way_out(network, error):
    network(error=error)
    with pytest.raises(InputError, match=r"cannot be fetched \((no route|timed out)\).*--file"):
        fetch("yunet")


def test_the_timeout_is_for_the_whole_download(network):
    network()
    with pytest.raises(InputError, match="no end after 0 s"):
        fetch("yunet", timeout=0)


def test_from_a_file(tmp_path, network):
    network(error=AssertionError("the network must not be asked"))
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(CONTENT)
    assert fetch("yunet", copy).read_bytes() == CONTENT
    copy.write_bytes(b"else")
    with pytest.raises(InputError, match=r"copy\.onnx: is not the published"):
        fetch("yunet", copy)
    assert fetched("yunet").read_bytes() == CONTENT
    with pytest.raises(InputError, match=r"none\.onnx: cannot be read"):
        fetch("yunet", tmp_path / "none.onnx")


def test_an_unwritable_cache_is_named(tmp_path, monkeypatch, network):
    network()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EFFICIENTFAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot be written"):
        fetch("yunet")


def test_unknown_names():
    with pytest.raises(InputError, match="unknown file retinaface; fetchable are yunet"):
        fetch("retinaface")
    with pytest.raises(MissingDependencyError, match="models fetch yunet"):
        fetched("yunet")


def test_the_platforms_cache_folder(monkeypatch):
    monkeypatch.delenv("EFFICIENTFAN_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert cache_dir() == Path("/elsewhere/efficientfan")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "efficientfan"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_dir() == Path.home() / "Library" / "Caches" / "efficientfan"
