"""The page in Chromium: it finds what Python finds, and says what it cannot do.

Needs Node.js with npm and a package index, which build the page, and Chromium, which the system installs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from page_server import serving

import efficientfan
from efficientfan.imaging import roll_photo
from efficientfan.page import HEADERS, write_page
from efficientfan.predict.detectors import open_detector
from efficientfan.weights import aliases

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
PORTRAIT = ROOT / "examples" / "astronaut.jpg"

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

WAIT = 120_000
"""Milliseconds; on a busy machine the models take long to load."""

NO_NETWORK = re.compile("ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH")


def lacking() -> str | None:
    """What this machine lacks for these tests."""
    if CHROMIUM is None:
        return "Chromium is not installed (apt-get install chromium)"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return "Node.js and npm are not installed, which build the page"
    version = subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip("v\n")
    if tuple(map(int, version.split(".")[:2])) < (20, 19):
        return f"Node.js {version} is too old to build the page; 20.19 is needed"
    return None


LACKING = lacking()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=str(LACKING))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, built from its source and its lock file, with its models."""
    folder = tmp_path_factory.mktemp("page")
    done = subprocess.run([ROOT / "scripts" / "page", folder / "built"], capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode and NO_NETWORK.search(said):
        pytest.skip("npm reaches no package index")
    assert done.returncode == 0, said
    write_page(folder / "site", folder / "built")
    return folder / "site"


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    with serving(site, HEADERS) as url:
        yield url


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, with a camera before which the portrait stands."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    camera = shutil.copy(PORTRAIT, tmp_path_factory.mktemp("camera") / "portrait.mjpeg")
    with playwright.sync_playwright() as running:
        started = running.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",  # containers run the tests as root
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without memory of earlier ones; what it throws fails the test."""
    context = browser.new_context(accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    thrown: list[str] = []
    opened.on("pageerror", lambda error: thrown.append(str(error)))
    yield opened
    context.close()
    assert thrown == []


def wait_for(page: Page, text: str) -> str:
    """What the page says, once it says something that has `text`, a pattern, in it."""
    from playwright.sync_api import expect

    said = page.get_by_role("status")
    expect(said).to_have_text(re.compile(text), timeout=WAIT)
    return said.inner_text()


def choose(page: Page, file: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a photo").click()
    chooser.value.set_files(file)


def saved(page: Page) -> dict[str, Any]:
    """The record that the page gives as a file."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as JSON").click()
    (record,) = json.loads(Path(download.value.path()).read_text())
    return dict(record)


def assert_agrees(record: dict[str, Any], photo: Path, model: str) -> None:
    """The page's faces are Python's; half a pixel of any convention would be seen."""
    predictor = efficientfan.load(model, detector=open_detector(upright=True))
    expected = predictor(photo)
    slack = 2 if "quantization" in predictor.spec.provenance else 1  # engines round 8 bits differently
    assert len(record["faces"]) == len(expected) > 0
    for found, face in zip(record["faces"], expected, strict=True):
        assert np.abs(np.array(found["points"]) - face.points).max() < 0.25 * slack
        assert np.abs(np.array(found["box"]) - face.box).max() < 0.25
        assert np.abs(np.array(found["scores"]) - face.scores).max() < 0.02 * slack
        assert np.abs(np.array(found["visibility"]) - face.visibility).max() < 0.02 * slack
        assert abs(found["roll"] - face.roll) < 1
        for angle in ("yaw", "pitch", "roll"):
            assert abs(found["pose"][angle] - getattr(face.pose, angle)) < 1


@pytest.mark.parametrize("model", ["fast", "default", "tiny"])
def test_finds_what_python_finds_and_uploads_nothing(page: Page, address: str, model: str) -> None:
    asked: list[tuple[str, str]] = []
    page.context.on("request", lambda request: asked.append((request.method, request.url)))
    page.goto(f"{address}?model={model}")
    threads = min(4, os.cpu_count() or 1)
    wait_for(page, rf"^Ready: WebAssembly, {threads} thread")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert "ms (WebAssembly" in wait_for(page, "^1 face in [0-9]+ ms")
    assert page.get_by_role("img", name="1 face in astronaut.jpg").is_visible()
    record = saved(page)
    assert (record["image"], record["width"], record["height"]) == ("astronaut.jpg", 512, 512)
    assert_agrees(record, PORTRAIT, model)
    assert {method for method, _ in asked} == {"GET"}
    assert {url.startswith((address, f"blob:{address}")) for _, url in asked} == {True}


def test_photos_that_are_large_turned_or_no_photos(page: Page, address: str, tmp_path: Path) -> None:
    large = efficientfan.read_rgb(PORTRAIT).repeat(3, axis=0).repeat(3, axis=1)
    efficientfan.write_image(tmp_path / "turned.png", roll_photo(large, 30)[0])
    (tmp_path / "letter.jpg").write_text("Dear reader")
    # In float: 8 bits magnify what the two reduce differently by a gray level.
    page.goto(f"{address}?model=default")
    wait_for(page, "^Ready")
    choose(page, tmp_path / "turned.png")
    wait_for(page, "^1 face in [0-9]+ ms")
    assert_agrees(saved(page), tmp_path / "turned.png", "default")
    choose(page, tmp_path / "letter.jpg")
    wait_for(page, "^letter.jpg is not an image that this browser can read. Choose a JPEG")
    page.get_by_label("Model").select_option(aliases()["fast"])
    wait_for(page, "^1 face in [0-9]+ ms")  # in the photo that is still shown
    record = saved(page)
    assert (record["model"], len(record["faces"])) == (aliases()["fast"], 1)


def test_camera(page: Page, address: str) -> None:
    page.goto(address)
    wait_for(page, "^Ready")
    page.get_by_role("button", name="Start camera").click()
    wait_for(page, "^The camera was not allowed. Allow it")
    page.context.grant_permissions(["camera"])
    page.get_by_role("button", name="Start camera").click()
    wait_for(page, "^1 face")
    page.get_by_text(re.compile("[0-9]+ frames/s, [0-9]+ ms per frame")).wait_for()
    assert page.get_by_role("row").count() == 2
    page.get_by_role("button", name="Stop camera").click()
    wait_for(page, "^The camera is off")


def test_a_server_without_the_headers_and_then_no_server(page: Page, site: Path) -> None:
    with serving(site, {}) as url:
        page.goto(url)
        wait_for(page, "^Ready: WebAssembly, 1 thread.")
        assert page.get_by_text("the server does not send the headers").is_visible()
        page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    page.reload()
    threads = min(4, os.cpu_count() or 1)
    wait_for(page, rf"^Ready: WebAssembly, {threads} thread")
    page.get_by_role("button", name="Sample photo").click()
    wait_for(page, "^1 face in [0-9]+ ms")
    page.get_by_label("Model").select_option(aliases()["default"])
    wait_for(page, r"^The model .* cannot be loaded: no connection, and it was not loaded before\.$")
    assert page.get_by_label("Model").input_value() == aliases()["fast"]  # still the one in use
