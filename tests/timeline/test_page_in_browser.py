"""The page of a time line in a real browser: seeking, keys, phone, dark, and no request leaves."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from semanticmac.core import SUB_TASKS, Task
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.timeline_page import render_timeline
from semanticmac.eval.timeline import Moment, SpokenWord, Timeline

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 375, "height": 740}
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LONG_WORD = "x" * 300
WIDER_THAN_SCREEN = (
    "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
)
VIDEO_READY = "() => document.querySelector('video').readyState >= 2"
# What a screen reader would call nothing.
UNNAMED = """
() => [...document.querySelectorAll("button, input, img, video, svg, [role=slider]")]
    .filter((element) => !element.closest("[aria-hidden=true]"))
    .filter((element) => {
        const labels = element.labels && element.labels.length;
        const name = element.getAttribute("aria-label") || element.getAttribute("alt");
        return !(labels || name || element.textContent.trim());
    })
    .map((element) => element.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    playwright_api = pytest.importorskip("playwright.sync_api")
    with playwright_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def video(film, tmp_path_factory) -> Path:
    path: Path = film(tmp_path_factory.mktemp("page") / "talk.mp4", 30.0)
    return path


def timeline() -> Timeline:
    """Thirty utterances of 0.8 s; every tenth one is unusual, and the last one failed."""
    task = Task("regression")
    moments: list[Moment] = []
    for number in range(30):
        value = (number % 7 - 3) / 2
        outputs: dict[str, list[float] | None] = {name: [value] for name in SUB_TASKS}
        unusual = ("audio",) if number % 10 == 0 else ()
        prediction = Prediction("c", task, outputs, (), ((value - 1, value + 1),), unusual)
        words = (
            SpokenWord(f"word{number}", number, number + 0.4),
            SpokenWord("later", number + 0.5, number + 0.8),
        )
        text = f"word{number} later"
        moments.append(Moment(number, number + 0.8, text, "Ann", words, prediction))
    last = moments[-1]
    moments[-1] = Moment(last.start_s, last.end_s, HOSTILE, LONG_WORD, remarks=(HOSTILE,))
    return Timeline("talk.mp4", 30.0, task, ("text", "audio", "vision"), "r", "d", tuple(moments))


@pytest.fixture
def open_page(browser, video):
    """open_page(viewport, …): a page from file://; errors and requests that leave fail the test."""
    contexts: list[Any] = []
    faults: list[str] = []

    def open_(
        viewport: dict[str, int],
        scheme: str = "light",
        url: str = "talk.mp4",
        shown: Timeline | None = None,
    ) -> Any:
        path = video.with_suffix(".html")
        path.write_text(render_timeline(shown or timeline(), video_url=url), encoding="utf-8")
        context = browser.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.on("request", lambda request: _check(request.url))
        page.goto(path.as_uri())
        return page

    def _check(url: str) -> None:
        if not url.startswith(("file:", "blob:", "data:")):
            faults.append(f"a request left: {url}")

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def current(page: Any) -> int:
    """The number of the selected utterance."""
    number: int = page.evaluate(
        "() => [...document.querySelectorAll('.entry')]"
        ".findIndex((entry) => entry.getAttribute('aria-current'))"
    )
    return number


def seconds(page: Any) -> float:
    at: float = page.evaluate("() => document.querySelector('video').currentTime")
    return at


def test_the_transcript_and_the_curves_seek_the_video(open_page) -> None:
    page = open_page(WIDE)
    page.wait_for_function(VIDEO_READY)
    page.locator(".go").nth(10).click()
    assert seconds(page) == pytest.approx(10.0, abs=0.05) and current(page) == 10
    page.get_by_text("word12", exact=True).first.click()
    assert seconds(page) == pytest.approx(12.0, abs=0.05)
    page.locator(".entry").nth(12).get_by_text("later").click()
    assert seconds(page) == pytest.approx(12.5, abs=0.05)
    page.wait_for_timeout(300)
    assert page.locator(".transcript .said").inner_text() == "later"

    curves = page.locator(".overlay")
    box = curves.bounding_box()
    curves.click(position={"x": 0.51 * box["width"], "y": 20})
    assert seconds(page) == pytest.approx(15.3, abs=0.1) and current(page) == 15
    assert "word15" in page.locator(".now").inner_text()


def test_the_curves_of_a_short_clip_seek_to_the_exact_time(open_page) -> None:
    whole = timeline()
    page = open_page(WIDE, shown=replace(whole, seconds=1.4, moments=whole.moments[:2]))
    page.wait_for_function(VIDEO_READY)
    curves = page.locator(".overlay")
    box = curves.bounding_box()
    curves.click(position={"x": 0.5 * box["width"], "y": 20})
    assert seconds(page) == pytest.approx(0.7, abs=0.02)


def test_an_embedded_video_seeks_too(open_page, video) -> None:
    url = "data:video/mp4;base64," + base64.b64encode(video.read_bytes()).decode()
    page = open_page(WIDE, url=url)
    page.wait_for_function(VIDEO_READY)
    page.locator(".go").nth(20).click()
    page.wait_for_timeout(300)
    assert seconds(page) == pytest.approx(20.0, abs=0.05)


def test_a_video_that_is_missing_is_said(open_page, browser, video) -> None:
    path = video.with_name("other.html")
    path.write_text(render_timeline(timeline(), video_url="missing.mp4"), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    page.get_by_text("The video cannot be played here").wait_for(state="visible")
    page.locator(".go").nth(3).click()
    assert current(page) == 3
    page.close()


def test_everything_works_with_the_keyboard(open_page) -> None:
    page = open_page(WIDE)
    page.wait_for_function(VIDEO_READY)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.textContent") == "Go to the transcript"
    slider = page.get_by_role("slider", name="Position in the recording")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert current(page) == 2 and seconds(page) == pytest.approx(2.0, abs=0.05)
    assert slider.get_attribute("aria-valuetext").startswith("0:02, −0.50 negative")
    page.keyboard.press("End")
    assert current(page) == 29
    page.keyboard.press("Home")
    page.keyboard.press("j")
    assert current(page) == 1
    page.keyboard.press("k")
    assert current(page) == 0
    page.locator(".go").nth(5).focus()
    page.keyboard.press("Enter")
    assert current(page) == 5
    page.keyboard.press("/")
    page.keyboard.type("word7")
    assert page.locator(".entry:visible").count() == 1


def test_filters_and_curves_can_be_chosen(open_page) -> None:
    page = open_page(WIDE)
    page.get_by_role("radio", name="unlike training").check()
    assert page.locator(".entry:visible").count() == 3
    page.get_by_role("radio", name="no prediction").check()
    assert page.locator(".entry:visible").count() == 1
    assert page.locator(".drawing .curve.text").is_visible()
    page.get_by_role("checkbox", name="text alone").uncheck()
    assert not page.locator(".drawing .curve.text").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_in_one_direction(open_page, scheme: str) -> None:
    page = open_page(PHONE, scheme)
    assert page.evaluate(WIDER_THAN_SCREEN) == 0
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert page.evaluate(WIDER_THAN_SCREEN) == 0
    ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 24, 29)")


def test_everything_has_a_name_for_a_screen_reader(open_page) -> None:
    page = open_page(WIDE)
    assert page.evaluate(UNNAMED) == []
    assert page.get_by_role("img", name="score over time, multimodal").count() == 1
