"""Lattices as a code: coarse ones first, each latent by what the entropy model says of it."""

from __future__ import annotations

import numpy as np

from inverse_inr.codec.causal import NEIGHBOURS, REACH, Whole, waves
from inverse_inr.codec.integers import Contexts, decode_integers, encode_integers
from inverse_inr.codec.latent.contexts import (
    NEAR,
    OTHERS,
    Layout,
    Place,
    flags,
    signed_roots,
)
from inverse_inr.codec.latent.tables import shares
from inverse_inr.codec.latent.whole import Predictor
from inverse_inr.codec.range_coder import Context, Decoder, Encoder
from inverse_inr.codec.wavelet.bands import Band
from inverse_inr.codec.wavelet.contexts import roots, sums_around
from inverse_inr.io.files import FileFormatError

LONGEST = 40
"""Magnitudes from which on a latent is coded as a remainder."""


def around(layout: Layout, latents: Whole) -> Whole:
    """Roots of the sums around all latents, (count + 1,)."""
    found = np.zeros_like(latents)
    for place in layout.places.values():
        fill_around(found, latents, place)
    return found


def fill_around(found: Whole, latents: Whole, place: Place) -> None:
    """Write the roots of the sums around the latents of one lattice."""
    own = np.abs(latents[place.first : place.last]).reshape(place[1:])
    found[place.first : place.last] = roots(sums_around(own)).reshape(-1)


def encode_lattices(encoder: Encoder, predictor: Predictor, layout: Layout, latents: Whole) -> None:
    """Append all lattices.

    Args:
        encoder: The range coder.
        predictor: The entropy model.
        layout: Where the lattices stand.
        latents: (count + 1,) all latents.
    """
    filled, large = Context(), Contexts()
    known, sums, signs = roots(np.abs(latents)), around(layout, latents), signed_roots(latents)
    for band, place in layout.places.items():
        own = latents[place.first : place.last]
        if not own.size:
            continue
        some = bool(own.any())
        encoder.encode(int(some), filled)
        if not some:
            continue
        seen = layout.seen(band)
        first = predictor.before(known[seen], 0) + _others(predictor, band, seen, sums)
        decisions = predictor.decided(first)
        sign = _sign_elsewhere(predictor, band, seen, signs)
        sign = predictor.sign(sign + predictor.signed(band.kind, signs[seen[:NEAR]]))
        for rows, columns in waves(place.rows, place.columns):
            at = rows * place.columns + columns
            here = zip(own[at].tolist(), *decisions[:, at].tolist(), sign[at].tolist(), strict=True)
            for latent in here:
                _encode(encoder, large, *latent)


def decode_lattices(decoder: Decoder, predictor: Predictor, layout: Layout) -> Whole:
    """Read all lattices.

    Args:
        decoder: The range coder.
        predictor: The entropy model.
        layout: Where the lattices stand.

    Returns:
        (count + 1,) all latents.
    """
    filled, large = Context(), Contexts()
    latents = np.zeros(layout.count + 1, np.int64)
    known, sums, signs = latents.copy(), latents.copy(), latents.copy()
    for band, place in layout.places.items():
        here = slice(place.first, place.last)
        if place.last > place.first and decoder.decode(filled):
            seen = layout.seen(band)
            first = predictor.before(known[seen[NEAR:]], NEAR)
            first += _others(predictor, band, seen, sums)
            sign = _sign_elsewhere(predictor, band, seen, signs)
            latents[here] = _decoded(decoder, predictor, band, place, first, sign, large)
        known[here] = roots(np.abs(latents[here]))
        signs[here] = signed_roots(latents[here])
        fill_around(sums, latents, place)
    return latents


def _decoded(
    decoder: Decoder,
    predictor: Predictor,
    band: Band,
    place: Place,
    first: np.ndarray,
    sign: np.ndarray,
    large: Contexts,
) -> Whole:
    """A lattice, wave by wave, each predicted from those before it."""
    wide = place.columns + 2 * REACH
    found = np.zeros((place.rows + 2 * REACH) * wide, np.int64)
    offsets = np.array([[(REACH + r) * wide + REACH + c] for r, c in NEIGHBOURS])
    own = REACH * wide + REACH
    for rows, columns in waves(place.rows, place.columns):
        at = rows * wide + columns
        number = rows * place.columns + columns
        near = found[at + offsets]
        decisions = predictor.decided(first[:, number] + predictor.before(roots(np.abs(near)), 0))
        signs = sign[number] + predictor.signed(band.kind, signed_roots(near))
        here = zip(*decisions.tolist(), predictor.sign(signs).tolist(), strict=True)
        found[at + own] = [_decode(decoder, large, *latent) for latent in here]
    whole = found.reshape(-1, wide)[REACH : REACH + place.rows, REACH : REACH + place.columns]
    return whole.reshape(-1)


def _others(predictor: Predictor, band: Band, seen: Whole, sums: Whole) -> np.ndarray:
    """The part of the first layer's sums that sums in other lattices and the flags make."""
    told = np.repeat(flags(band)[:, None], seen.shape[1], 1)
    return predictor.before(np.concatenate([sums[seen[-OTHERS:]], told]), len(seen))


def _sign_elsewhere(predictor: Predictor, band: Band, seen: Whole, signs: Whole) -> np.ndarray:
    """The part of the sign's logit that other planes make."""
    return predictor.signed(band.kind, signs[seen[-2:]], NEAR)


def _encode(
    encoder: Encoder, large: Contexts, latent: int, zero: int, one: int, end: int, sign: int
) -> None:
    magnitude = abs(latent)
    _choose(encoder, zero, not magnitude)
    if not magnitude:
        return
    _choose(encoder, sign, latent > 0)
    _choose(encoder, one, magnitude == 1)
    for grown in range(2, min(magnitude, LONGEST - 1) + 1):
        _choose(encoder, end, magnitude == grown)
    if magnitude >= LONGEST:
        encode_integers(encoder, [magnitude - LONGEST], large)


def _decode(decoder: Decoder, large: Contexts, zero: int, one: int, end: int, sign: int) -> int:
    known = shares()
    # the first of the two intervals is yes
    if not decoder.decode_share(known[zero]):
        return 0
    negative = decoder.decode_share(known[sign])
    magnitude = 1
    if decoder.decode_share(known[one]):
        magnitude = 2
        while magnitude < LONGEST and decoder.decode_share(known[end]):
            magnitude += 1
    if magnitude == LONGEST:
        (more,) = decode_integers(decoder, 1, large)
        if more < 0:
            raise FileFormatError("codec: the code holds a negative remainder. Altered?")
        magnitude += more
    return -magnitude if negative else magnitude


def _choose(encoder: Encoder, index: int, yes: bool) -> None:
    start, middle, end = shares()[index]
    if yes:
        encoder.encode_share(start, middle - start)
    else:
        encoder.encode_share(middle, end - middle)
