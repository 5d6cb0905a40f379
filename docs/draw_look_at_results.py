"""Draw docs/how-to/look_at_results*.png: the page of two runs in a headless Chromium.

inverse-inr run ct --out runs/ct --set prior.name=hash --set solver.steps=1000
inverse-inr run cassi --out runs/cassi --set solver.steps=1500 --size 64 --set "baselines.names=[]"
python docs/draw_look_at_results.py runs/ct runs/cassi
"""

from __future__ import annotations

import io
import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from cases.viewing.browser import Browser  # noqa: E402

from inverse_inr.command.looking.found import found  # noqa: E402
from inverse_inr.viewing import Viewer  # noqa: E402

WITHOUT = """[...document.querySelectorAll('#methods label')]
    .filter((label) => label.innerText.trim() === 'CGLS').forEach((label) => label.click())"""
SMALLER = """(() => { const size = document.getElementById('size'); size.value = 250;
    size.dispatchEvent(new Event('input')); })()"""
CLICK = """(() => { const canvas = document.querySelector('canvas.image');
    const { x, y } = canvas.getBoundingClientRect();
    canvas.dispatchEvent(new MouseEvent('click', { clientX: x + 160, clientY: y + 130 })); })()"""


def draw(run: Path, name: str, size: tuple[int, int], scripts: list[str], *, dark: bool) -> None:
    """Open the page of a run, change something in it, and keep its picture in 256 colours.

    Args:
        run: The run's folder.
        name: The picture's file.
        size: Width and height in pixels.
        scripts: What is done on the page.
        dark: Whether the user prefers a dark page.
    """
    viewer = Viewer(lambda: [found(run)])
    threading.Thread(target=viewer.serve_forever, daemon=True).start()
    profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with profile as folder, Browser(Path(folder), size, dark=dark) as browser:
        browser.open(viewer.url)
        browser.wait("document.body && Number(document.body.dataset.drawn) > 0")
        for script in scripts:
            drawn = browser.find("Number(document.body.dataset.drawn)")
            browser.find(script)
            browser.wait(f"Number(document.body.dataset.drawn) > {drawn}")
        picture = Image.open(io.BytesIO(browser.picture())).convert("RGB")
    viewer.shutdown()
    few = picture.quantize(256, dither=Image.Dither.NONE)
    few.save(HERE / "how-to" / name, optimize=True)


if __name__ == "__main__":
    tomogram, cube = map(Path, sys.argv[1:])
    draw(tomogram, "look_at_results.png", (1280, 960), [WITHOUT], dark=False)
    draw(cube, "look_at_results_cube.png", (1060, 1200), [SMALLER, CLICK], dark=True)
