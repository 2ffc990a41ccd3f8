"""The app's screenshots, app-1280.jpg, app-phone.jpg and app-photo.jpg: `python notebooks/figures/app.py`.

The same question as in the notebooks, and one with a photograph (CC0, of scikit-image), in a Chromium: the machine's,
or the one of `playwright install chromium`. On the desk all controls are open, so that a fault in one of them is seen.
"""

import io
import os
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from rag_lib.app import start
from rag_lib.catalog import load_catalog
from rag_lib.run.parameters import load_edition

OFFLINE = load_edition(Path(__file__).parent.parent / "editions", "offline").values

with start(**OFFLINE) as server, sync_playwright() as playwright:
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=alone)
    photograph = next(item.path for item in load_catalog("photographs").items if item.path.stem == "brick")
    for name, width, height in (("app-1280", 1280, 1560), ("app-phone", 390, 1500), ("app-photo", 1280, 1180)):
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(240_000)
        page.goto(server.url)
        page.wait_for_selector(".wall img")
        for part in ("refine", "advanced"):
            if name == "app-1280":
                page.click(f"#{part} .label-wrap")
        if name == "app-photo":
            page.set_input_files("input[type=file]", photograph)
            page.wait_for_timeout(4000)
        page.click("#search")
        page.wait_for_selector("#found .hit")
        page.click("#rerank")
        page.wait_for_selector(".winner")
        page.mouse.move(0, 0)
        page.wait_for_timeout(1500)  # colors fade in
        page.evaluate("scrollTo(0, 0)")
        path = Path(__file__).with_name(f"{name}.jpg")
        Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=85, optimize=True)
        print("written:", path.name)
