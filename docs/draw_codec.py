"""Draw docs/codec.png: PSNR over bits per pixel, as the table of photographs in docs/codec.md says.

python docs/draw_codec.py
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
HEAD = "| picture | bits/pixel |"
STYLES = {
    "wavelet": {"color": "#0b5fa5", "linewidth": 2.2, "marker": "o"},
    "latent": {"color": "#c23b22", "linewidth": 2.2, "marker": "D"},
    "JPEG": {"color": "0.62", "marker": "."},
    "JPEG 2000": {"color": "0.25", "marker": "."},
    "WebP": {"color": "#c9a227", "linestyle": ":", "marker": "."},
    "AVIF": {"color": "#3a7d44", "linestyle": "--", "marker": "."},
}

Curves = dict[str, dict[str, dict[float, float]]]
"""PSNR over bits per pixel, by picture and method."""


def curves(text: str) -> Curves:
    """Read the tables of photographs in a page.

    Args:
        text: The page.

    Returns:
        The points of each picture and method; what is no number is left out.
    """
    methods: list[str] = []
    found: Curves = defaultdict(lambda: defaultdict(dict))
    for line in text.splitlines():
        if line.startswith(HEAD):
            methods = cells(line)[2:]
        elif not line.startswith("|"):
            methods = []
        elif methods and not line.startswith("|--"):
            picture, rate, *values = cells(line)
            for method, value in zip(methods, values, strict=True):
                if method in STYLES and math.isfinite(float(value)):
                    found[picture][method][float(rate)] = float(value)
    return found


def cells(line: str) -> list[str]:
    """The cells of a line of a table."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def main() -> None:
    """Draw, and save."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = curves((HERE / "codec.md").read_text())
    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.6), squeeze=False)
    for axis, (picture, own) in zip(axes[0], found.items(), strict=True):
        for method, style in STYLES.items():
            if method in own:
                points = sorted(own[method].items())
                axis.plot(*zip(*points, strict=True), label=method, markersize=5, **style)
        axis.set_xscale("log", base=2)
        rates = sorted({rate for points in own.values() for rate in points})
        axis.set_xticks(rates, [f"{rate:g}" for rate in rates], fontsize=8)
        axis.minorticks_off()
        axis.set_title(picture.replace("_", " "), fontsize=10)
        axis.set_xlabel("bits per pixel")
        axis.grid(color="0.92")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("PSNR / dB")
    axes[0][0].legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(HERE / "codec.png", dpi=110)


if __name__ == "__main__":
    main()
