"""The page in a headless browser: what it draws, and what clicks and keys do."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cases.viewing.browser import Browser
from cases.viewing.run_folder import make_run, write

from inverse_inr.command.looking.found import found
from inverse_inr.viewing import Viewer

pytestmark = pytest.mark.slow

DRAWN = "Number((document.body || {dataset: {}}).dataset.drawn || 0)"
ALL = ("truth", "TV", "hash")
LABELS = (
    "[...document.querySelectorAll('canvas:not([hidden])')]"
    ".map((c) => c.getAttribute('aria-label'))"
)


class Page:
    """The page of some runs, opened in the browser."""

    def __init__(self, browser: Browser, folders: list[Path]):
        self.browser = browser
        self.viewer = Viewer(lambda: [found(folder) for folder in folders])
        threading.Thread(target=self.viewer.serve_forever, args=(0.01,), daemon=True).start()
        browser.said.clear()
        browser.open("about:blank")
        browser.open(self.viewer.url)
        browser.wait(f"location.href !== 'about:blank' && {DRAWN} > 0")

    def close(self) -> None:
        self.viewer.shutdown()
        self.viewer.server_close()

    def do(self, script: str) -> None:
        """Change something, and wait until it is drawn."""
        before = self.browser.find(DRAWN)
        self.browser.find(script)
        self.browser.wait(f"{DRAWN} > {before}")

    def choose(self, control: str, value: Any) -> None:
        self.do(
            f"(() => {{ const e = document.querySelector('{control}'); e.value = '{value}';"
            "for (const kind of ['input', 'change'])"
            "e.dispatchEvent(new Event(kind, {bubbles: true})); })()"
        )

    def labels(self) -> list[str]:
        return [label for label in self.browser.find(LABELS) if label]

    def label(self, begin: str) -> str:
        return next(label for label in self.labels() if label.startswith(begin))

    def text(self, selector: str) -> str:
        return self.browser.find(
            f"[...document.querySelectorAll('{selector}')].map((e) => e.innerText).join('\\n')"
        )

    def colours(self, canvas: str) -> int:
        """How many colours a canvas has: an empty one has one."""
        return self.browser.find(
            f"(() => {{ const c = document.querySelector('{canvas}');"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return new Set(new Uint32Array(d.buffer)).size; })()"
        )


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def opened(browser) -> Iterator[Any]:
    pages: list[Page] = []

    def open_(*folders: Path) -> Page:
        pages.append(Page(browser, list(folders)))
        return pages[-1]

    yield open_
    assert browser.said == []
    for page in pages:
        page.close()


def test_a_slice_with_its_truth_and_its_errors(opened, tmp_path):
    page = opened(make_run(tmp_path / "slice"))
    assert page.colours("canvas.image") > 20
    windows = {page.label(f"{name} of").split("colours from ")[1].split(";")[0] for name in ALL}
    assert windows == {"1e\u22123 to 0.999"}  # one window for all that is compared
    assert "mean modulus in this plane 0.05" in page.label("Error of TV against truth")
    assert "standard deviation of" in page.label("standard deviation")
    assert "PSNR 30 dB" in page.text("figcaption")
    assert "weight" in page.label("Weight: 0.1 was chosen")
    assert "loss ends at 2.667" in page.label("Loss of hash and its parts")
    assert "hash ends at 3" in page.label("Held-out measurements")
    page.choose("#high", 0.5)
    assert "to 0.5; " in page.label("TV of")
    assert "to 0.5; " in page.label("hash of")
    page.choose("#against", "TV")
    assert not [label for label in page.labels() if label.startswith("Error of TV")]
    page.choose("#scale", "dB")
    assert "colours from \u221240 to 0" in page.label("hash of")


def test_a_click_and_keys_move_the_cross(opened, tmp_path):
    page = opened(make_run(tmp_path / "slice"))
    before = page.label("truth of")
    place = page.browser.find(
        "(() => { const c = document.querySelector('canvas.image'); c.scrollIntoView();"
        "scrollBy(0, -100); const r = c.getBoundingClientRect();"
        "return [r.x + c.placed.x + 2, r.y + c.placed.y + 2]; })()"
    )
    drawn = page.browser.find(DRAWN)
    page.browser.click(*place)
    page.browser.wait(f"{DRAWN} > {drawn}")
    assert page.label("truth of") != before
    assert page.label("truth of").endswith("; 0 at the cross")
    page.browser.find("document.querySelector('canvas.image').focus()")
    for key, value in [("ArrowRight", 1 / 47), ("ArrowDown", 9 / 47), ("ArrowLeft", 8 / 47)]:
        drawn = page.browser.find(DRAWN)
        page.browser.press(key)
        page.browser.wait(f"{DRAWN} > {drawn}")
        assert page.label("truth of").endswith(f"; {float(f'{value:.4g}')} at the cross")
    assert "axis 0 = 0.75 cm, axis 1 = 0.25 cm" in page.text(".place")


def test_a_complex_image_shows_its_phase(opened, tmp_path):
    page = opened(make_run(tmp_path / "complex", is_complex=True))
    page.do("document.querySelectorAll('#methods input')[0].click()")  # without its real truth
    assert "value" in page.label("TV of")
    assert [label for label in page.labels() if label.startswith("hash of")]
    assert page.colours("canvas.image") > 20


def test_a_cube_has_a_slider_and_spectra(opened, tmp_path):
    page = opened(make_run(tmp_path / "cube", (6, 8, 28), ("px", "px", "nm")))
    assert "wavelength (nm)" in page.text("#sliders")
    assert page.label("Along wavelength (nm)").startswith("Along wavelength (nm), value over")
    before = page.label("hash of")
    page.choose("#sliders input", 3)
    assert page.label("hash of") != before
    assert "1.8 nm · 4/28" in page.text("#sliders output") or "1.75 nm" in page.text("#sliders")
    page.choose("#plane", "0,2")
    assert "wavelength (nm) to the right" in page.label("hash of")
    assert "axis 1 (px)" in page.text("#sliders")


def test_volumes_of_several_runs_stand_side_by_side(opened, tmp_path):
    units = ("m", "m", "m")
    folders = [make_run(tmp_path / name, (5, 6, 7), units) for name in ("one", "two")]
    page = opened(*folders)
    assert page.text(".run h3").count("finished") == 2
    assert sum(label.startswith("hash of") for label in page.labels()) == 2
    assert "one · hash" in page.text("#cuts .legend")
    page.do("document.querySelectorAll('#runs input')[1].click()")
    assert sum(label.startswith("hash of") for label in page.labels()) == 1


def test_a_surface_turns_with_the_keys(opened, tmp_path):
    page = opened(make_run(tmp_path / "mesh", surface=True))
    page.browser.wait("document.querySelector('canvas.surface') !== null")
    assert "4 triangles; x 0 to 1, y 0 to 1, z 0 to 1" in page.label("mesh · surface.ply")
    assert page.colours("canvas.surface") > 3
    shown = "document.querySelector('canvas.surface').toDataURL()"
    before = page.browser.find(shown)
    page.browser.find("document.querySelector('canvas.surface').focus()")
    page.browser.press("ArrowLeft")
    assert page.browser.find(shown) != before


def test_an_unfinished_run_is_renewed_while_it_is_looked_at(opened, tmp_path):
    folder = make_run(tmp_path / "run", finished=False)
    kept = (folder / "image.npz").rename(tmp_path / "kept.npz")
    (folder / "baseline-TV.npz").write_bytes(b"damaged")
    page = opened(folder)
    assert "inverse-inr resume" in page.text(".note")
    assert "expected an image in a .npz file" in page.text("figure .note")
    assert not [label for label in page.labels() if label.startswith("hash of")]
    kept.rename(folder / "image.npz")
    write(folder, "config.json", {"config": {}, "finished": True})
    page.browser.wait("document.querySelector('.state').innerText === 'finished'")
    page.browser.wait(f"{LABELS}.some((label) => (label || '').startsWith('hash of'))")


def test_an_image_of_one_axis_is_a_curve(opened, tmp_path):
    page = opened(make_run(tmp_path / "line", (40,), ("s",)))
    assert "One axis" in page.text(".value")
    assert "over time (s)" in page.label("Along time (s)")


def test_colours_and_the_dark_page(opened, tmp_path):
    page = opened(make_run(tmp_path / "colours", channels=3))
    assert "colours" in page.text("#sliders output")
    page.do("document.getElementById('theme').click()")
    assert page.browser.find("document.documentElement.dataset.theme") == "dark"
    assert page.colours("canvas.image") > 20
