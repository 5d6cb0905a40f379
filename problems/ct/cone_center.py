"""The axis of rotation of a circular cone-beam scan, found from its measurements."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from inverse_inr.operators import ConeBeam
from inverse_inr.operators.ct.opposite_views import distinct_views, filled_elements
from inverse_inr.ranges import checked

LARGEST_SHIFT = 0.25
"""The axis is sought so far from the panel's middle, as a fraction of its columns."""
LARGEST_DIFFERENCE = 0.3
"""Most that conjugate rays may differ at the best place; rays with nothing in common do by 1."""
UNSURE = 0.5
"""Largest standard error of the place, in pixels."""
GROUPS = 4
"""Groups of views whose places must agree."""
COARSE = 256
"""Most columns of the first search; of wider panels neighbours are taken together."""
FINEST = 0.1
"""Steps of the last search are no longer than this, in pixels."""
FEWEST_COLUMNS = 8
"""Columns that a panel must have."""
FEWEST_VIEWS = 8
"""Views that a scan must have."""
GAP = 1.6
"""Neighbouring views further apart than so many median steps have no views between them."""
ADVICE = "Give center as a number, in pixels of the file."


@checked
def cone_center(beam: ConeBeam, views: Tensor) -> tuple[float, float]:
    """Find the shift of the axis of rotation along the panel's rows from conjugate rays.

    In the plane of the source's circle each ray is measured twice: by the view at angle β in the
    direction γ from the central ray, and the other way round by the view at β + π - 2γ in the
    direction -γ. The axis is where both agree best, in the mean over all such rays, smoothed
    along the panel. Views between measured ones are interpolated.

    Args:
        beam: The scan as it is known, a circle with an upright panel; its own `center` is not used.
        views: (views, rows, columns) line integrals, NaN where not to be trusted.

    Returns:
        The beam's `center`, in the box's unit, and its standard error.

    Raises:
        ValueError: The scan is no circle or its panel is tilted, the panel does not see the plane
            of the circle, there are too few views, columns or conjugate rays, or the best place is
            poor, at the end of the search or uncertain by more than half a pixel.

    Source:
        The rule of conjugate rays in a fan beam: Kak & Slaney, Principles of Computerized
        Tomographic Imaging, 1988, section 3.4.3.
    """
    profiles, angles = _midplane(beam, views)
    ratio = float(beam.pitch / (beam.source_distance + beam.detector_distance).detach())
    wide = -(-profiles.shape[1] // COARSE)  # columns taken together in the first search
    start = _coarse(profiles, angles, ratio, wide)
    rays = _ConjugateRays(profiles, angles, ratio)
    place, least = rays.minimum(start, 0.5 * wide)
    if not least < LARGEST_DIFFERENCE:
        raise ValueError(
            f"cone_center: conjugate rays differ by {least:.0%} of what they vary, at best, at "
            f"{place:.1f} pixels. Are the angles and distances those of these views? {ADVICE}"
        )
    groups = [rays.of_views(torch.arange(j, len(angles), GROUPS)) for j in range(GROUPS)]
    found = torch.tensor([group.minimum(place, 0.5)[0] for group in groups])
    error = float(found.std()) / math.sqrt(GROUPS)
    if error > UNSURE:
        raise ValueError(
            f"cone_center: the axis is near {place:.1f} pixels, but different views disagree "
            f"(standard error {error:.2f} pixels). {ADVICE}"
        )
    return place * beam.pitch, error * beam.pitch


def _coarse(profiles: Tensor, angles: Tensor, ratio: float, wide: int) -> float:
    """The best whole place, in pixels, with so many columns taken together."""
    columns = profiles.shape[1] // wide
    used = columns * wide
    few = profiles[:, :used].unflatten(1, (columns, wide)).mean(2)
    rays = _ConjugateRays(few, angles, ratio * wide)
    reach = math.floor(LARGEST_SHIFT * columns)
    places = list(range(-reach, reach + 1))
    differences = [float(rays.difference(place)) for place in places]
    k = min(range(len(places)), key=differences.__getitem__)
    # columns left out at the end move the middle
    place = places[k] * wide + 0.5 * (used - profiles.shape[1])
    if k in (0, len(places) - 1):
        raise ValueError(
            f"cone_center: conjugate rays agree best at the end of the search, {place:g} pixels "
            f"from the panel's middle. {ADVICE}"
        )
    return place


def _midplane(beam: ConeBeam, views: Tensor) -> tuple[Tensor, Tensor]:
    """What the panel's row in the plane of the circle saw, (n, columns), in order of the angles."""
    if tuple(views.shape) != tuple(beam.shape):
        raise ValueError(
            f"cone_center: the beam has {tuple(beam.shape)} views, rows and columns, the "
            f"measurements are {tuple(views.shape)}."
        )
    upright = all(float(t.detach().abs().max()) < 1e-6 for t in (beam.tilt, beam.roll, beam.yaw))
    still = all(_range(each) < 1e-6 * beam.box.diagonal for each in (beam.height, beam.vertical))
    if not (upright and still):
        raise ValueError(
            "cone_center: rays have conjugates in a circular scan with an upright panel; here "
            f"source or panel move along the axis, or the panel is tilted. {ADVICE}"
        )
    rows = views.shape[1]
    row = 0.5 * (rows - 1) + float(beam.vertical.detach().mean()) / beam.row_pitch
    if not 0 <= row <= rows - 1:
        raise ValueError(
            "cone_center: the panel does not see the plane of the source's circle, which is at "
            f"row {row:.1f} of {rows}. {ADVICE}"
        )
    # two rows on either side: their rays and conjugates lean either way alike
    weight = (2 - (torch.arange(rows, dtype=torch.float64) - row).abs()).clamp(min=0)[:, None]
    weight = weight.to(views.device)
    near = weight[:, 0] > 0
    some = views.detach()[:, near].double()
    known = weight[near] * some.isfinite()
    profiles = (known * some.nan_to_num(0.0)).sum(1) / known.sum(1)
    profiles = filled_elements(profiles)
    whole = profiles.isfinite().all(1)
    if int(whole.sum()) < FEWEST_VIEWS or views.shape[2] < FEWEST_COLUMNS:
        raise ValueError(
            f"cone_center: {int(whole.sum())} whole views of {views.shape[2]} columns; it takes "
            f"{FEWEST_VIEWS} views and {FEWEST_COLUMNS} columns at least. {ADVICE}"
        )
    if float(profiles[whole].std()) == 0:
        raise ValueError(f"cone_center: all measurements of the midplane are alike. {ADVICE}")
    angles = beam.angles.detach().double().cpu()
    return distinct_views(profiles[whole].cpu(), angles[whole.cpu()])


def _range(values: Tensor) -> float:
    return float(values.detach().max() - values.detach().min())


class _ConjugateRays:
    """Pairs of rays on one line, for any place of the axis.

    Args:
        profiles: (n, columns) line integrals, in order of the angles.
        angles: (n,) in radians, from 0 to 2π.
        ratio: A pixel's width over the distance from source to panel.
        chosen: Numbers of the views whose rays are compared with their conjugates; None for all.
    """

    def __init__(
        self, profiles: Tensor, angles: Tensor, ratio: float, chosen: Tensor | None = None
    ) -> None:
        self.profiles = profiles
        self.angles = angles
        self.ratio = ratio
        if chosen is None:
            chosen = torch.arange(len(angles))
        self.chosen = chosen
        # one view more at both ends, a turn away
        self.turned = torch.cat(
            [angles[-1:] - 2 * math.pi, angles, angles[:1] + 2 * math.pi]
        ).contiguous()
        self.widest = 0.0
        if len(angles) > 1:
            self.widest = GAP * float(angles.diff().median())

    def of_views(self, chosen: Tensor) -> _ConjugateRays:
        """The same rays, of which those of some views are compared with their conjugates."""
        return _ConjugateRays(self.profiles, self.angles, self.ratio, chosen)

    def difference(self, place: float) -> Tensor:
        """The squared difference of conjugate rays, relative to how much both vary.

        Args:
            place: The axis, in pixels from the panel's middle.
        """
        columns = self.profiles.shape[1]
        middle = 0.5 * (columns - 1)
        count = math.floor(middle - abs(place) - 1)
        t = torch.arange(-count, count + 1, dtype=torch.float64)
        ahead = _smooth_at(self.profiles, middle + place + t)  # (n, t)
        behind = _smooth_at(self.profiles, middle + place - t)
        # a ray at γ from the central one is the other's at -γ, half a turn less 2γ on
        gamma = (t * self.ratio).atan()
        angle = self.angles[self.chosen, None] + math.pi - 2 * gamma
        angle = angle.remainder(2 * math.pi)
        after = torch.searchsorted(self.turned, angle, right=True).clamp(1, len(self.turned) - 1)
        low, high = self.turned[after - 1], self.turned[after]
        part = (angle - low) / (high - low).clamp(min=1e-12)
        n = len(self.angles)
        number = torch.arange(len(t))
        first = behind[(after - 2) % n, number]
        second = behind[(after - 1) % n, number]
        theirs = first + part * (second - first)
        mine = ahead[self.chosen]
        known = (high - low <= self.widest).double()
        total = known.sum()
        if float(total) < 4 * FEWEST_COLUMNS:
            raise ValueError(
                "cone_center: hardly any ray has a conjugate: the views span too little of a turn. "
                f"{ADVICE}"
            )
        mean = (known * (mine + theirs)).sum() / (2 * total)
        varied = (known * ((mine - mean).square() + (theirs - mean).square())).sum()
        return (known * (mine - theirs).square()).sum() / varied.clamp(min=1e-300)

    def minimum(self, near: float, step: float) -> tuple[float, float]:
        """The place of least difference within four steps, and the difference.

        Args:
            near: A place nearby, in pixels.
            step: Of the first search; the next are finer, to a tenth of a pixel and less.
        """
        while step > FINEST:
            places = near + step * torch.arange(-4, 5, dtype=torch.float64)
            values = torch.stack([self.difference(float(place)) for place in places])
            k = min(max(int(values.argmin()), 1), len(places) - 2)
            below, least, above = values[k - 1 : k + 2].tolist()
            bend = below - 2 * least + above
            near = float(places[k])
            if bend > 0:
                near += step * min(1.0, max(-1.0, 0.5 * (below - above) / bend))
            step /= 4
        return near, float(self.difference(near))


def _smooth_at(profiles: Tensor, places: Tensor) -> Tensor:
    """Profiles at places between columns, seen through a cubic B-spline.

    It smooths by two thirds of a pixel, alike at whole and half places, so that noise favours none.

    Args:
        profiles: (n, columns).
        places: (t,) from the first column's middle, at least one column inside.
    """
    first = places.floor().clamp(1, profiles.shape[1] - 3)
    x = places - first
    weights = (
        (1 - x) ** 3 / 6,
        (3 * x**3 - 6 * x**2 + 4) / 6,
        (-3 * x**3 + 3 * x**2 + 3 * x + 1) / 6,
        x**3 / 6,
    )
    number = first.long() - 1
    return torch.stack([w * profiles[:, number + j] for j, w in enumerate(weights)]).sum(0)
