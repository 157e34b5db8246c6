"""How fast the page is in Chromium: time to the first face with nothing stored, and frames and photos a second.

    python benchmarks/browser.py http://localhost:8000/ [--model default] [--engine webgpu]

Needs playwright and a Chromium that is installed. The address is one that serves the page (`efficientfan page`).
--record adds the figures to browser.csv; --pictures docs/figures/page writes the pictures of docs/guides/browser.md.
"""

from __future__ import annotations

import argparse
import re
import shutil
import time
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright
from tables import add_rows

WAIT = 300_000
"""Milliseconds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--engine", default="wasm", choices=("wasm", "webgpu"))
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="path of the browser")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/browser.csv")
    parser.add_argument("--pictures", type=Path, help="also write pictures of the page to this folder")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        page = browser.new_page()
        status = page.get_by_role("status")
        start = time.perf_counter()
        page.goto(f"{options.address}?sample&model={options.model}&engine={options.engine}")
        expect(status).to_have_text(re.compile("^1 face in"), timeout=WAIT)
        first = time.perf_counter() - start
        print(f"first face {first:.2f} s after the address was opened")
        page.get_by_role("button", name="Measure speed").click()
        expect(status).to_have_text(re.compile("photos/s"), timeout=WAIT)
        said = status.inner_text()
        print(f"{options.model}: {said}")
        if options.record:
            frames, photos = map(float, re.findall(r"([\d.]+) (?:frames|photos)/s", said))
            row = {"model": options.model, "engine": options.engine, "first_face_s": first}
            row |= {"frames_per_s": frames, "photos_per_s": photos}
            add_rows(Path(__file__).with_name("browser.csv"), [row], key=["model", "engine"])
        if options.pictures is not None:
            take_pictures(browser, options.address, options.pictures)
        browser.close()


def take_pictures(browser: Browser, address: str, folder: Path) -> None:
    """The page with its sample photo: wide, wide and dark, and on a phone."""
    wide, phone = ViewportSize(width=1000, height=790), ViewportSize(width=390, height=790)
    for name, size in (("light", wide), ("dark", wide), ("phone", phone)):
        page = browser.new_page(color_scheme="dark" if name == "dark" else "light", viewport=size)
        page.goto(f"{address}?sample")
        status = page.get_by_role("status")
        expect(status).to_have_text(re.compile("^1 face in"), timeout=WAIT)
        status.evaluate(
            "each => each.style.visibility = 'hidden'"
        )  # milliseconds of this machine, models just loaded
        page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=85, full_page=True)
        page.close()


if __name__ == "__main__":
    main()
