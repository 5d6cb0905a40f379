"""Rate and distortion of pictures: wavelets and latents beside JPEG, JPEG 2000, WebP and AVIF.

    python benchmarks/codec/photographs.py [--pictures china ...] [--latent 40] [--rates 0.5 ...]

Crops of 256 x 256 pixels of the middle; `--latent` adds fits of so many steps. Every method has the
same number of bytes at most, the whole file counted, and takes the setting with the best PSNR (RGB,
8 bits, peak 255) of those that fit: JPEG over its qualities, with full and halved colours and
optimised tables; JPEG 2000 as a bare code stream of the irreversible wavelets with the colour
transform, over its ratios; WebP and AVIF over their qualities, AVIF with full and halved colours.
JPEG 2000's and AVIF's own minima count where a rate is below them.
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable, Iterable
from typing import Literal

import numpy as np
import torch
from pictures import FRESH, picture
from PIL import Image

from inverse_inr import codec

RATES = (0.2, 0.3, 0.5, 0.8, 1.0, 2.0)
QUALITIES = (1, 2, 3, 5, 7, *range(9, 96, 3))

Saved = Callable[[Image.Image, io.BytesIO], None]


def psnr(found: np.ndarray, stored: np.ndarray) -> float:
    """PSNR of 8-bit pictures in dB."""
    error = (found.astype(np.float64) - stored.astype(np.float64)) ** 2
    return 10 * math.log10(255**2 / max(float(error.mean()), 1e-9))


def curve(stored: np.ndarray, settings: Iterable[Saved]) -> list[tuple[int, float]]:
    """Bytes and PSNR of a picture by each setting."""
    found = []
    for save in settings:
        file = io.BytesIO()
        save(Image.fromarray(stored), file)
        size = len(file.getvalue())
        found.append((size, psnr(np.array(Image.open(file).convert("RGB")), stored)))
    return found


def best(points: list[tuple[int, float]], most: int) -> float:
    """The best PSNR of at most so many bytes; NaN where nothing fits."""
    return max((quality for size, quality in points if size <= most), default=math.nan)


def jpeg() -> list[Saved]:
    """Settings of JPEG."""

    def setting(quality: int, subsampling: int) -> Saved:
        return lambda image, file: image.save(
            file, "JPEG", quality=quality, subsampling=subsampling, optimize=True
        )

    return [setting(quality, halved) for quality in QUALITIES for halved in (0, 2)]


# each rate exactly, and a little below it, since the file may come out longer than asked for
RATIOS = [24 / rate / factor for rate in RATES for factor in (1.0, 0.99, 0.97, 0.95, 0.9)]
"""Ratios of JPEG 2000."""


def jpeg_2000(ratios: Iterable[float] = RATIOS) -> list[Saved]:
    """Settings of JPEG 2000, by ratios of its file to three bytes a pixel."""

    def setting(ratio: float) -> Saved:
        return lambda image, file: image.save(
            file,
            "JPEG2000",
            quality_mode="rates",
            quality_layers=[ratio],
            irreversible=True,
            mct=1,
            no_jp2=True,
        )

    return [setting(ratio) for ratio in ratios]


def webp() -> list[Saved]:
    """Settings of WebP, the slowest search."""

    def setting(quality: int) -> Saved:
        return lambda image, file: image.save(file, "WEBP", quality=quality, method=6)

    return [setting(quality) for quality in QUALITIES]


def avif() -> list[Saved]:
    """Settings of AVIF."""

    def setting(quality: int, subsampling: str) -> Saved:
        return lambda image, file: image.save(
            file, "AVIF", quality=quality, subsampling=subsampling, speed=4, max_threads=1
        )

    return [setting(quality, s) for quality in range(5, 95, 6) for s in ("4:4:4", "4:2:0")]


METHODS = {"JPEG": jpeg, "JPEG 2000": jpeg_2000, "WebP": webp, "AVIF": avif}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", nargs="+", default=FRESH)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--methods", nargs="*", default=list(METHODS))
    parser.add_argument("--latent", type=int, default=0, help="steps of method latent; 0 for none")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours: dict[Literal["wavelet", "latent"], int] = {"wavelet": 1}
    if options.latent:
        ours["latent"] = options.latent
    names = [*ours, *options.methods]
    print(f"| picture | bits/pixel | {' | '.join(names)} | encode, decode s |")
    print("|---|---|" + "---|" * (len(names) + 1))
    for name in options.pictures:
        stored = np.round(picture(name, options.size) * 255).astype(np.uint8)
        image = torch.from_numpy(stored / 255.0)
        others = {method: curve(stored, METHODS[method]()) for method in options.methods}
        for rate in options.rates:
            most = math.floor(rate * stored.shape[0] * stored.shape[1] / 8)
            values, seconds = [], []
            for method, steps in ours.items():
                began = time.process_time()
                data = codec.encode(image, bits_per_sample=rate, method=method, steps=steps)
                coded = time.process_time()
                found = torch.round(codec.decode_image(data) * 255).numpy()
                seconds.append(f"{coded - began:.1f}, {time.process_time() - coded:.1f}")
                assert len(data) <= most
                values.append(psnr(found, stored))
            values += [best(points, most) for points in others.values()]
            cells = " | ".join(f"{value:.2f}" for value in values)
            print(f"| {name} | {rate} | {cells} | {'; '.join(seconds)} |", flush=True)


if __name__ == "__main__":
    main()
