"""What the bytes of a picture's latents are spent on, part by part.

    python benchmarks/codec/parts.py [--picture chelsea] [--rates 0.2 1.0]

The middle 256 x 256 pixels. Header and digest are counted in the file, differences of the networks
and low-pass bands by coding them alone, latents by what the entropy model says of them.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from pictures import picture

from inverse_inr import codec
from inverse_inr.codec.latent.exchanging import Latents
from inverse_inr.codec.latent.files import Overfitted, from_bytes
from inverse_inr.codec.latent.floating import bits, decided
from inverse_inr.codec.latent.networks import ONE, encode_differences
from inverse_inr.codec.range_coder import Encoder
from inverse_inr.codec.wavelet.waves import encode_low


def bytes_of_latents(found: Overfitted) -> dict[str, float]:
    """Bytes by level, of all planes and kinds together."""
    networks = {n: torch.from_numpy(v).float() / ONE for n, v in found.networks.items()}
    latents = Latents(found.layout, torch.ones(found.layout.count), seed=0)
    latents.whole = torch.from_numpy(found.latents[:-1]).float()
    own = bits(latents.whole, decided(networks, latents.contexts()), latents.signs(networks))
    totals: dict[str, float] = {}
    for band, place in found.layout.places.items():
        here = own[place.first : place.last]
        if latents.whole[place.first : place.last].any():
            name = f"level {band.level}"
            totals[name] = totals.get(name, 0.0) + float(here.sum()) / 8
    return totals


def main() -> None:
    """Encode, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", default="chelsea")
    parser.add_argument("--rates", type=float, nargs="+", default=(0.2, 1.0))
    options = parser.parse_args()
    torch.set_num_threads(1)
    image = torch.from_numpy(np.round(picture(options.picture) * 255) / 255)
    for rate in options.rates:
        data = codec.encode(image, bits_per_sample=rate, method="latent")
        found, _ = from_bytes(data)
        networks, lows = Encoder(), Encoder()
        encode_differences(networks, found.differences)
        for low in found.lows:
            encode_low(lows, low)
        moved = sum(int((steps != 0).sum()) for steps in found.differences.values())
        parts = {
            f"networks ({moved} numbers differ)": len(networks.finish()),
            "low-pass bands": len(lows.finish()),
            **{name: round(size) for name, size in bytes_of_latents(found).items()},
        }
        parts["header, digest, rest"] = len(data) - sum(parts.values())
        print(f"{options.picture}, {rate} bits per pixel, {len(data)} bytes: {parts}", flush=True)


if __name__ == "__main__":
    main()
