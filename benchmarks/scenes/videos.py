"""A video in a tenth of its raw bytes: frames from networks beside classical coders.

    python benchmarks/scenes/videos.py [--steps 600] [--seeds 0 1 2] [--every 4]

The clip is 64 x 64 x 32 in colour, its raw size 8 bits per number. A fit's bytes are those of
`codec.encode(..., method="coin")`: its weights rounded and entropy-coded, header included. The
classical lines get as many bytes as the limit. PSNR in dB of the decoded clip. With `--every n`
only each n-th frame is known and the PSNR is that of the others. All networks have about as many
weights, steps and one learning rate: for each the best of 3e-3, 8e-3 and 2e-2 after 300 steps of
seed 10 (`hinerv` also 5e-2).
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from inverse_inr import Problem, SampledField, Solution, Solver, codec, priors
from inverse_inr.codec.integers import Contexts, encode_integers
from inverse_inr.codec.range_coder import Encoder
from inverse_inr.problems.restoration import video
from inverse_inr.problems.restoration.video import between, blended

COLOURS = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
"""From red, green, blue to brightness and two differences (JFIF)."""
NAMES = ("nerv", "hnerv", "hinerv")
EQUAL = {"nerv": {}, "hnerv": {"width": 25}, "hinerv": {"width": 52}}
"""Options by which each has 50,789 to 51,815 weights where all frames are known."""
EIGHTH = 8


def decibels(seen: Tensor, truth: Tensor) -> float:
    return -10 * math.log10(float((seen - truth).square().mean()))


def truth_of(problem: Problem) -> Tensor:
    assert isinstance(problem.reference, SampledField)
    return problem.reference.values


def fitted(problem: Problem, name: str, words: argparse.Namespace, seed: int) -> Solution:
    options = {**problem.suggested.options, **EQUAL[name], "seed": seed}
    prior = priors.create(name, problem.box, problem.channels, bandwidth=0.5, **options)
    return Solver(problem, prior, steps=words.steps, lr=words.rate, seed=seed).run()


def finest(coded: Callable[[float], tuple[int, Tensor]], most: int, low: float, high: float):
    """The decoded clip of the finest step (or best quality) whose bytes are within the limit."""
    best = coded(high)
    for _ in range(12):
        middle = math.sqrt(low * high)
        size, clip = coded(middle)
        if size <= most:
            high, best = middle, (size, clip)
        else:
            low = middle
    return best


def cosines(clip: Tensor, most: int) -> tuple[int, Tensor]:
    """Blocks of 8 x 8 x 8 by a cosine transform, one step, zigzag by frequency, range-coded."""
    array = (clip.numpy() @ COLOURS.T).transpose(3, 0, 1, 2)  # (3, h, w, t)
    parts = [n // EIGHTH for n in array.shape[1:]]
    shape = (3, parts[0], EIGHTH, parts[1], EIGHTH, parts[2], EIGHTH)
    blocks = array.reshape(shape).transpose(0, 1, 3, 5, 2, 4, 6)
    numbers = np.asarray(dctn(blocks, axes=(4, 5, 6), norm="ortho")).reshape(3, -1, EIGHTH**3)
    index = np.indices((EIGHTH,) * 3).sum(0).flatten()

    def coded(step: float) -> tuple[int, Tensor]:
        scaled = numbers / (step * np.array([1.0, 1.5, 1.5])[:, None, None])
        whole = (np.sign(scaled) * np.floor(np.abs(scaled) + 0.35)).astype(int)
        encoder = Encoder()
        for plane in whole:
            for frequency in range(3 * EIGHTH - 2):
                values = plane[:, index == frequency].flatten().tolist()
                encode_integers(encoder, values, Contexts())
        back = whole * (step * np.array([1.0, 1.5, 1.5])[:, None, None])
        back = back.reshape(3, *parts, *(EIGHTH,) * 3)
        back = np.asarray(idctn(back, axes=(4, 5, 6), norm="ortho")).transpose(0, 1, 4, 2, 5, 3, 6)
        colours = back.reshape(array.shape).transpose(1, 2, 3, 0) @ np.linalg.inv(COLOURS).T
        return len(encoder.finish()), torch.from_numpy(colours).float().clamp(0, 1)

    return finest(coded, most, 1e-3, 2.0)


def jpeg(clip: Tensor, most: int) -> tuple[int, Tensor]:
    """All frames side by side in one JPEG, so that they share a header."""
    from PIL import Image

    height, width, frames, _ = clip.shape
    sheet = (255 * clip).round().byte().permute(0, 2, 1, 3).reshape(height, frames * width, 3)
    for quality in range(95, 0, -1):
        held = io.BytesIO()
        Image.fromarray(sheet.numpy()).save(held, "JPEG", quality=quality, optimize=True)
        if held.tell() <= most:
            seen = torch.from_numpy(np.array(Image.open(held))).float() / 255
            return held.tell(), seen.reshape(height, frames, width, 3).permute(0, 2, 1, 3)
    raise ValueError("no quality is small enough")


def h264(clip: Tensor, most: int) -> tuple[int, Tensor] | None:
    """H.264 in an MP4 by PyAV, where it is installed: the best constant rate factor that fits."""
    try:
        import av  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    frames = (255 * clip).round().byte().movedim(2, 0).numpy()
    for crf in range(0, 52):
        held = io.BytesIO()
        with av.open(held, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.height, stream.width, stream.pix_fmt = *clip.shape[:2], "yuv444p"
            stream.options = {"crf": str(crf), "preset": "veryslow"}
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        if held.tell() <= most:
            held.seek(0)
            with av.open(held) as container:
                seen = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
            return held.tell(), torch.from_numpy(np.stack(seen)).movedim(0, 2).float() / 255
    return None


def compressed(seed: int, words: argparse.Namespace) -> None:
    problem = video(seed=seed)
    clip = truth_of(problem)
    most = int(words.part * clip.numel())
    for name, coder in {"3-D DCT": cosines, "JPEG": jpeg, "H.264": h264}.items():
        result = coder(clip, most)
        if result is None:
            print(f"  {name:8s} not installed here", flush=True)
            continue
        print(f"  {name:8s} {result[0]} bytes, {decibels(result[1], clip):.2f} dB", flush=True)
    for name in words.names:
        began = time.process_time()
        solution = fitted(problem, name, words, seed)
        whole = decibels(solution.sample(problem.grid), clip)
        seconds = time.process_time() - began
        data = codec.encode(solution, bits_per_sample=8 * words.part * problem.channels, finish=0)
        seen = decibels(codec.decode_image(data), clip)
        assert isinstance(solution.field, priors.Prior)
        count = solution.field.parameter_count
        said = f"{count} weights, {whole:.2f} dB before rounding, fit {seconds:.0f} s"
        print(f"  {name:8s} {len(data)} bytes, {seen:.2f} dB ({said})", flush=True)


def interpolated(seed: int, words: argparse.Namespace) -> None:
    every = words.every
    problem = video(seed=seed, every=every)
    clip, wanted = truth_of(problem), between(problem)
    wanted = wanted[wanted < (problem.grid.shape[-1] - 1) // every * every]
    seen = blended(problem).sample(problem.grid)
    print(f"  blend    {decibels(seen[:, :, wanted], clip[:, :, wanted]):.2f} dB", flush=True)
    for name in words.names:
        seen = fitted(problem, name, words, seed).sample(problem.grid)
        print(f"  {name:8s} {decibels(seen[:, :, wanted], clip[:, :, wanted]):.2f} dB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, default=2e-2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--names", nargs="*", default=list(NAMES))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--part", type=float, default=0.1)
    words = parser.parse_args()
    torch.set_num_threads(1)
    for seed in words.seeds:
        print(f"seed {seed}", flush=True)
        if words.every > 1:
            interpolated(seed, words)
        else:
            compressed(seed, words)


if __name__ == "__main__":
    main()
