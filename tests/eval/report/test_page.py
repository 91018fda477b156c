"""The HTML report needs no network, and no text from a label file becomes markup."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from semanticmac.cache.manifest import Manifest
from semanticmac.cli import app
from semanticmac.core import Task
from semanticmac.eval.report.mistakes import clip_losses
from semanticmac.run.folder import RunInfo

EVIL = "<script>alert('x')</script> & \"quotes\" {{ 7 * 7 }}"


class Parsed(HTMLParser):
    """Which elements a page has, where it points, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or ""
            for name, value in attrs
            if name in ("src", "href", "srcset", "action", "data")
        ]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def evil(walks, tmp_path_factory) -> Path:
    """The report of a corpus whose ids, texts and class names are hostile."""
    root = tmp_path_factory.mktemp("evil")
    walk = walks["single-label"]
    shutil.copytree(walk.layout.root, root / "cache")
    run = shutil.copytree(walk.run, root / "<b>run")
    layout = replace(walk.layout, root=root / "cache")
    manifest = Manifest.read(layout.manifest("planted"))
    rows = tuple(
        replace(row, clip_id=f"{row.clip_id}{EVIL}$x^2$", text=EVIL) for row in manifest.rows
    )
    replace(manifest, rows=rows).write(layout.manifest("planted"))
    info = RunInfo.read(run)
    classes = tuple("<img src=x>" if name == "middle" else name for name in info.task.classes)
    replace(info, task=replace(info.task, classes=classes)).write(run)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "semanticmac.eval.report.page.ANALYSES", ("calibration", "cases", "labels")
        )  # the others show no text
        words = ["report", run, "--cache", layout.root, "--to", root / "page.html"]
        done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output + str(done.exception)
    return root / "page.html"


def test_a_hostile_corpus_is_text(evil):
    page = Parsed(evil.read_text())
    assert "script" not in page.tags
    assert not any(link == "x" for link in page.links)
    words = "".join(page.words)
    assert EVIL in words and "<img src=x>" in words and "<b>run" in words


def test_the_page_needs_nothing_else(evil):
    text = evil.read_text()
    page = Parsed(text)
    assert page.links and all(link.startswith("data:image/") for link in page.links)
    assert not re.search(r"url\(|@import|https?://", re.sub(r'"data:[^"]*"', "", text))
    assert "default-src 'none'" in text and 'name="viewport"' in text and "@media print" in text


def test_it_says_what_it_must(evil):
    words = "".join(Parsed(evil.read_text()).words)
    assert "planted · test" in words and "95 % interval" in words and "majority class" in words
    assert "expected calibration error" in words and "fitted on validation alone" in words
    assert "lr_language" in words and "fingerprint" in words and "torch" in words
    for section in (
        "Scores",
        "Each class",
        "Confusion",
        "The largest errors",
        "Analyses",
        "Calibration",
        "Left out: labels",
    ):
        assert section in words


def test_losses_of_clips_are_error_and_likelihood():
    truth, said = np.array([[1.0], [np.nan]]), np.array([[-0.5], [0.0]])
    np.testing.assert_array_equal(clip_losses(Task("regression"), truth, said), [1.5, np.nan])
    single = Task("single-label", ("a", "b", "c"))
    found = clip_losses(single, np.array([[0.0, 1, 0]]), np.array([[1.0, 2, 3]]))
    assert found[0] == pytest.approx(-np.log(np.exp(2) / np.exp([1, 2, 3]).sum()))
    binary = Task("binary", ("a", "b"))
    assert clip_losses(binary, np.array([[1.0]]), np.array([[2.0]]))[0] == pytest.approx(
        np.log1p(np.exp(-2))
    )


CUT = """
() => [...document.querySelectorAll("img, video, svg, figure")]
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 80))
"""


def test_a_phone_cuts_no_chart_and_every_picture_has_words(evil):
    """In a real browser, light and dark."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        grounds = []
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 375, "height": 740}, color_scheme=scheme)
            page.goto(evil.as_uri())
            assert page.evaluate(CUT) == []
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
            unnamed = "() => document.querySelectorAll('img:not([alt]), img[alt=\"\"]').length"
            assert page.evaluate(unnamed) == 0
            ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
            grounds.append(sum(map(int, re.findall(r"\d+", ground)[:3])))
        browser.close()
    assert grounds[0] > 700 and grounds[1] < 120
