"""How fast the page is in Chromium: time to the first face with nothing stored, and frames and photos a second.

    python benchmarks/browser.py http://localhost:8000/ [--model default] [--engine webgpu]

Needs playwright and a Chromium that is installed. The address is one that serves the page (`efficientfan page`).
"""

from __future__ import annotations

import argparse
import re
import shutil
import time

from playwright.sync_api import expect, sync_playwright

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
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        page = browser.new_page()
        status = page.get_by_role("status")
        start = time.perf_counter()
        page.goto(f"{options.address}?sample&model={options.model}&engine={options.engine}")
        expect(status).to_have_text(re.compile("^1 face in"), timeout=WAIT)
        print(f"first face {time.perf_counter() - start:.2f} s after the address was opened")
        page.get_by_role("button", name="Measure speed").click()
        expect(status).to_have_text(re.compile("photos/s"), timeout=WAIT)
        print(f"{options.model}: {status.inner_text()}")
        browser.close()


if __name__ == "__main__":
    main()
