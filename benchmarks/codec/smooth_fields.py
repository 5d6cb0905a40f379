"""Codes of a modulated family beside JPEG 2000 and a truncated DCT of equal size, on smooth fields.

    python benchmarks/codec/smooth_fields.py [--steps 200] [--seed 0]

Fields of 48 x 48 samples, each the sum of five Gaussian blobs at random places. 150 of them teach a
family; 10 others are coded. Every file has at most the bytes of its rate, whole. JPEG 2000 gets the
field scaled to 16 bits between its least and largest value, for which 8 bytes are not counted. The
DCT keeps the K x K lowest frequencies, rounded to one step size and coded by our range coder, of
the K and the step that suit each field best; 8 bytes of a header are counted. The family itself is
not in any file: that is what it has before the others. PSNR by the largest value of the field, mean
over fields in dB.
"""

from __future__ import annotations

import argparse
import io
import math
import time

import numpy as np
import torch
from PIL import Image
from scipy.fft import dctn, idctn

import inverse_inr as ii
from inverse_inr import codec, families
from inverse_inr.codec.integers import Contexts, encode_integers
from inverse_inr.codec.range_coder import Encoder
from inverse_inr.fidelity import L2

SIDE = 48
BOX = ii.Box((0.0, 0.0), (1.0, 1.0))
GRID = ii.Grid(BOX, (SIDE, SIDE))
RATES = (0.15, 0.25, 0.5)
HEADER = 8
"""Bytes of a header of the DCT's files: step size, K, digest."""


def same(image: torch.Tensor) -> torch.Tensor:
    """The identity, as a map of images."""
    return image


def smooth(seed: int) -> ii.Problem:
    """A field, seen at all samples."""
    truth = ii.phantoms.gaussian_blobs(BOX, count=5, width=0.07, seed=seed)
    y = ii.sample(truth, GRID).reshape(-1)
    return ii.Problem([ii.Term(ii.OnGrid(same, GRID, GRID.shape), y, L2())], BOX, GRID, average=1)


def psnr(found: np.ndarray, field: np.ndarray) -> float:
    """PSNR by the field's largest value, in dB."""
    return 10 * math.log10(field.max() ** 2 / float(((found - field) ** 2).mean()))


def truncated_dct(field: np.ndarray, most: int) -> float:
    """The best PSNR of the lowest frequencies, over their number and the step size."""
    seen = np.asarray(dctn(field, norm="ortho"))
    best = -math.inf
    for kept in range(4, 29, 2):
        lowest = seen[:kept, :kept]
        order = np.argsort(
            np.add.outer(np.arange(kept), np.arange(kept)).reshape(-1), kind="stable"
        )
        for step in np.geomspace(0.01, 2, 30) * field.max():
            numbers = np.round(lowest / step).astype(np.int64).reshape(-1)[order]
            encoder = Encoder()
            encode_integers(encoder, numbers.tolist(), Contexts())
            if len(encoder.finish()) + HEADER <= most:
                whole = np.zeros_like(seen)
                whole[:kept, :kept] = np.round(lowest / step) * step
                best = max(best, psnr(np.asarray(idctn(whole, norm="ortho")), field))
                break  # larger steps err more
    return best


def jpeg_2000(field: np.ndarray, most: int) -> float:
    """The best PSNR of JPEG 2000; NaN where no file is as short."""
    low, high = field.min(), field.max()
    stored = Image.fromarray(np.round((field - low) / (high - low) * 65535).astype(np.uint16))
    best = math.nan
    for ratio in np.geomspace(2 * field.size / most, 8 * field.size / most, 40):
        file = io.BytesIO()
        stored.save(file, "JPEG2000", quality_layers=[float(ratio)], irreversible=True, no_jp2=True)
        if len(file.getvalue()) <= most:
            found = np.array(Image.open(file)).astype(np.float64) / 65535 * (high - low) + low
            best = np.fmax(best, psnr(found, field))
    return float(best)


def principal(teaching: list[ii.Problem], judged: list[ii.Problem], count: int) -> float:
    """Mean PSNR of the first principal components of what teaches, not rounded."""
    known = np.stack([problem.terms[0].y.double().numpy() for problem in teaching])
    mean = known.mean(0)
    axes = np.linalg.svd(known - mean, full_matrices=False)[2][:count]
    found = []
    for problem in judged:
        field = problem.terms[0].y.double().numpy()
        found.append(psnr(mean + axes.T @ (axes @ (field - mean)), field))
    return float(np.mean(found))


def main() -> None:
    """Train, code, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--code", type=int, default=32)
    parser.add_argument("--fields", type=int, default=10, help="fields that are coded")
    parser.add_argument("--further", type=int, default=300, help="steps of each code by Adam")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = {"width": 64, "depth": 3, "omega0": 15.0}
    family = families.Modulated("siren", network, code=options.code, inner_steps=3)
    began = time.process_time()
    teaching = [smooth(1000 * options.seed + k) for k in range(150)]
    judged = [smooth(10**6 + 1000 * options.seed + k) for k in range(options.fields)]
    components = principal(teaching, judged, options.code)
    print(f"{options.code} principal components, not rounded: {components:.1f} dB")
    family = families.train(family, teaching, steps=options.steps, seed=options.seed)
    print(f"training: {time.process_time() - began:.0f} s of one core")
    print(
        "| bits/sample | modulated | truncated DCT | JPEG 2000 | wavelet |\n|---|---|---|---|---|"
    )
    for rate in RATES:
        most = math.floor(rate * GRID.numel / 8)
        rows = []
        for problem in judged:
            image = problem.terms[0].y.reshape(SIDE, SIDE, 1)
            field = image[..., 0].double().numpy()
            code = codec.encode(
                image,
                method="modulated",
                family=family,
                grid=GRID,
                bits_per_sample=rate,
                steps=options.further,
            )
            decoded = codec.decode_image(code, family=family)[..., 0].double().numpy()
            picture = codec.encode(image, bits_per_sample=rate, method="wavelet")
            wavelets = codec.decode_image(picture)[..., 0].double().numpy()
            rows.append(
                (
                    psnr(decoded, field),
                    truncated_dct(field, most),
                    jpeg_2000(field, most),
                    psnr(wavelets, field),
                )
            )
        means = np.array(rows).mean(0)
        print(f"| {rate} | " + " | ".join(f"{value:.1f}" for value in means) + " |", flush=True)


if __name__ == "__main__":
    main()
