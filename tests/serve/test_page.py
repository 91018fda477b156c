"""The page in a real browser: a clip is dropped, its numbers are read; phone, dark, keyboard."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.serving import RunningServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 740}
# Contents of the dropped file come from here, as from a desktop.
DROP = """
([content, name]) => {
    const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name));
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true}));
}
"""
# Every element that a person works with needs a name for a screen reader.
UNNAMED = """
() => [...document.querySelectorAll("button, a, input, select, textarea, img, video, audio, svg")]
    .filter((element) => element.checkVisibility() && element.type !== "hidden")
    .filter((element) => {
        const labels = element.labels && element.labels.length;
        const name = element.getAttribute("aria-label") || element.getAttribute("aria-labelledby");
        const hidden = element.closest("[aria-hidden=true]");
        const empty = element.tagName === "IMG" && element.getAttribute("alt") === "";
        const text = element.textContent.trim() || element.getAttribute("alt");
        return !(labels || name || hidden || empty || text);
    })
    .map((element) => element.outerHTML.slice(0, 120))
"""
WIDER_THAN_SCREEN = (
    "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser, server, tmp_path):
    """open_page(viewport, scheme): a new page that fails the test for any error in it."""
    contexts, errors = [], []

    def make(viewport: dict[str, int] = WIDE, scheme: str = "light", **options: Any) -> Any:
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, base_url=server.url, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and errors.append(message.text))
        page.on(
            "request",
            lambda request: errors.append(request.url) if is_foreign(request, server) else None,
        )
        return page

    yield make
    for context in contexts:
        context.close()
    # A browser writes every refusal of the server to its console.
    assert not [error for error in errors if "Failed to load resource" not in error]


def is_foreign(request: Any, server: RunningServer) -> bool:
    return not request.url.startswith((server.url, "data:", "blob:"))


def predict_by_page(page: Any, clip: Path, text: str = "") -> str:
    """Chooses a clip on the start page, waits for its result, and returns the id of the job."""
    page.goto("/")
    page.set_input_files("#file", clip)
    page.fill("#text", text)
    page.click("#send")
    page.wait_for_url(re.compile("/view/[0-9a-f]{32}"))
    page.wait_for_selector("[data-result]", timeout=180_000)
    return page.url.rsplit("/", 1)[-1]


def test_a_dropped_clip_is_predicted_and_its_numbers_are_read(open_page, server, clip):
    page = open_page()
    page.goto("/")
    content = base64.b64encode(clip.read_bytes()).decode()
    page.evaluate(DROP, [content, "dropped.mp4"])
    assert "dropped.mp4" in page.inner_text("#drop-title")
    page.fill("#text", "what is said here")
    page.click("#send")
    page.wait_for_url(re.compile("/view/[0-9a-f]{32}"))
    page.wait_for_selector("[data-result]", timeout=180_000)
    job = page.url.rsplit("/", 1)[-1]
    [moment] = server.get(f"/jobs/{job}/result")["moments"]
    shown = page.inner_text("body")
    assert "dropped.mp4" in shown and "what is said here" in shown
    for modality in ("multimodal", "text", "audio", "vision"):
        score = moment["prediction"]["scores"][modality][0]
        assert f"{abs(score):.2f}" in shown, modality
    page.goto("/")
    page.wait_for_selector("#earlier-list a")
    assert "dropped.mp4" in page.inner_text("#earlier-list")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["desktop", "phone"])
def test_every_page_fits_and_has_names(open_page, server, clip, tmp_path, viewport, scheme):
    page = open_page(viewport, scheme)
    job = predict_by_page(page, clip, "a long line that is said " * 4)
    for number, path in enumerate((f"/view/{job}", "/", "/docs", "/view/none")):
        page.goto(path)
        page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
        assert page.evaluate(WIDER_THAN_SCREEN) <= 0, path
        assert page.evaluate(UNNAMED) == [], path
        assert page.locator("h1").count() == 1 and page.get_attribute("html", "lang") == "en"
        dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", dark)[:3])) > 380
        assert light == (scheme == "light")


def test_the_keyboard_alone_is_enough(open_page, clip):
    page = open_page()
    page.goto("/")
    page.keyboard.press("Tab")
    assert "Skip" in page.evaluate("() => document.activeElement.textContent")
    page.keyboard.press("Enter")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("() => document.activeElement.id || document.activeElement.name")
        )
        outline = page.evaluate(
            "() => [document.activeElement, document.activeElement.closest('.drop')]"
            ".filter(Boolean).map((e) => getComputedStyle(e).outlineStyle)"
        )
        assert "solid" in outline or "auto" in outline, reached
        if reached[-1] == "send":
            break
    assert reached == ["file", "run", "text", "use", "use", "use", "send"]
    page.set_input_files("#file", clip)
    page.focus("#send")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/view/[0-9a-f]{32}"))
    page.wait_for_selector("[data-result]", timeout=180_000)


def test_the_state_of_a_job_is_announced(open_page, server, clip):
    page = open_page()
    page.goto("/")
    page.set_input_files("#file", clip)
    # The result is held back, so that the page of the waiting job can be read.
    page.route("**/events", lambda route: None)
    page.click("#send")
    page.wait_for_url(re.compile("/view/[0-9a-f]{32}"))
    state = page.locator("[role=status][aria-live=polite]")
    if page.locator("[data-result]").count() == 0:
        assert state.inner_text()
        assert page.locator("progress").get_attribute("aria-labelledby") == "state"
    server.wait(page.url.rsplit("/", 1)[-1])


def test_refusals_are_read_on_the_page(open_page, server, tmp_path):
    page = open_page()
    page.goto("/")
    page.click("#send")
    assert page.locator("#file:invalid").count() == 1
    (tmp_path / "page.mp4").write_text("<html>no film</html>")
    page.set_input_files("#file", tmp_path / "page.mp4")
    for name in ("text", "audio", "vision"):
        page.uncheck(f"input[value={name}]")
    page.click("#send")
    assert "all three are left out" in page.inner_text("[role=alert]:visible")
    page.check("input[value=audio]")
    page.click("#send")
    page.wait_for_url(re.compile("/view/[0-9a-f]{32}"))
    page.wait_for_selector("#failure", timeout=60_000)
    assert "This recording was not predicted" in page.inner_text("[role=alert]")
    page.click("text=Delete the recording")
    page.wait_for_url(f"{server.url}/")


def test_markup_in_names_and_texts_is_shown_as_text(open_page, server, clip, tmp_path):
    page = open_page()
    hostile = tmp_path / "<img src=x onerror=alert(1)>.mp4"
    shutil.copyfile(clip, hostile)
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
    predict_by_page(page, hostile, "<script>alert(2)</script><b>bold</b>")
    shown = page.inner_text("body")
    assert "<img src=x onerror=alert(1)>.mp4" in shown and "<b>bold</b>" in shown
    page.goto("/")
    page.wait_for_selector("#earlier-list a")
    assert not dialogs and page.locator("#earlier-list img").count() == 0


def test_a_result_can_be_deleted_on_its_page(open_page, server, clip):
    page = open_page()
    job = predict_by_page(page, clip)
    page.get_by_role("button", name=re.compile("Delete")).click()
    page.wait_for_url(f"{server.url}/")
    assert server.ask("GET", f"/jobs/{job}")[0] == 404


def test_the_page_of_the_endpoint_tells_how_to_call_it(open_page):
    page = open_page()
    page.goto("/docs")
    text = page.inner_text("main")
    assert "POST /predict" in text and "curl -F file=@clip.mp4" in text
    assert json.dumps(text)  # it is text, not an empty page
