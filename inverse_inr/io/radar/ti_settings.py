"""The settings of a capture by a Texas Instruments mmWave radar, and the timing of its chirps.

A frame is `loops` times the chirps of one loop. A chirp is idle first, then its ramp runs, and
samples are taken on a part of the ramp:

    |<- idle_time ->|<---------------- ramp_end_time ---------------->|
                    |<- start_time ->|<- samples / sample_rate ->|
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from inverse_inr.ranges import Count, Finite, NonNegative, Positive, WholeNumber, checked

Layout = Literal["AWR1843", "IWR1443"]
"""The two documented layouts, by a board that has it."""
LAYOUTS: dict[Layout, int] = {"AWR1843": 2, "IWR1443": 4}
"""LVDS lanes of the two documented layouts."""
LOWEST = 1e6
"""The lowest frequency in Hz that a radar of this kind may start at."""
FASTEST = 1e9
"""The highest rate of samples in Hz."""
HIGHEST = 1e12
"""The highest frequency in Hz that a radar of this kind may start at."""


@checked
@dataclass(frozen=True)
class CaptureSettings:
    """The settings of a capture, as its JSON says, in SI units.

    Raises:
        ValueError: A number is not finite, of the wrong sign or beyond any such radar, there are no
            chirps, the samples run beyond the ramp, or the lists of the chirps disagree in length.
    """

    start_frequency: Positive
    """Frequency at the ramp's start, in Hz."""
    slope: Finite
    """Slope of the ramp, in Hz/s; negative if it runs down."""
    sample_rate: Positive
    """Rate of the samples, in Hz."""
    samples: Count
    """Samples per chirp and receiver."""
    start_time: NonNegative
    """Time from the ramp's start to the first sample, in s."""
    transmitters: tuple[WholeNumber, ...]
    """Bits of the transmitters that each chirp of a loop enables, of the chirps that are kept."""
    receivers: Count
    """Number of receivers that are on."""
    loops: Count
    """Loops per frame."""
    frames: WholeNumber
    """Number of frames, 0 if capturing runs until it is stopped."""
    layout: Layout
    """"AWR1843" or "IWR1443", by the number of lanes."""
    swapped: bool = False
    """True if Q comes before I."""
    idle_times: tuple[NonNegative, ...] = ()
    """Time before the ramp of every chirp of a loop, in s, variations included; () if not known."""
    ramp_end_times: tuple[Positive, ...] = ()
    """Time from the ramp's start to its end for every chirp of a loop, in s; () if not known."""
    frame_period: Positive | None = None
    """Time from frame to frame, in s; None if not known."""
    kept: tuple[WholeNumber, ...] = ()
    """Numbers of the chirps of a loop that are kept, in order; () for all."""
    chirps_in_loop: WholeNumber = 0
    """Number of chirps of a loop, kept or not; 0 for those of `transmitters`."""

    def __post_init__(self) -> None:
        self._check_numbers()
        count = self.loop_chirps
        for name in ("idle_times", "ramp_end_times"):
            times = getattr(self, name)
            if len(times) not in (0, count):
                raise ValueError(
                    f"CaptureSettings: {name} has {len(times)} values; a loop has {count} chirps."
                )
        self._check_kept(count)
        self._check_frame()
        end = self.start_time + self.samples / self.sample_rate
        for number in self.chirps:
            if self.ramp_end_times and end > self.ramp_end_times[number] * (1 + 1e-6):
                raise ValueError(
                    f"CaptureSettings: samples are taken until {end * 1e6:.6g} µs after the ramp's "
                    f"start, but the ramp of chirp {number} ends at "
                    f"{self.ramp_end_times[number] * 1e6:.6g} µs. A wrong rate or unit?"
                )

    def _check_frame(self) -> None:
        """Raise ValueError where the chirps of a frame do not fit between two frames."""
        if self.frame_period is None or not self.idle_times or not self.ramp_end_times:
            return
        busy = self.loops * (sum(self.idle_times) + sum(self.ramp_end_times))
        if busy > self.frame_period * (1 + 1e-6):
            raise ValueError(
                f"CaptureSettings: {self.loops} loops last {busy * 1e3:.6g} ms, longer than the "
                f"{self.frame_period * 1e3:.6g} ms from frame to frame. A wrong unit?"
            )

    def _check_numbers(self) -> None:
        """Raise ValueError for numbers that no such radar has."""
        if not LOWEST < self.start_frequency < HIGHEST:
            raise ValueError(
                f"CaptureSettings: start_frequency={self.start_frequency:.6g} Hz is no radar's. "
                "In GHz? It is in Hz here."
            )
        if self.slope == 0:
            raise ValueError("CaptureSettings: slope must not be 0.")
        if self.sample_rate > FASTEST:
            raise ValueError(
                f"CaptureSettings: sample_rate={self.sample_rate:.6g} Hz is beyond any such "
                "radar's. In ksps, where it is in Hz here; or in Hz, where the JSON has ksps?"
            )
        if 0 in self.transmitters:
            raise ValueError(
                f"CaptureSettings: chirp {self.chirps[self.transmitters.index(0)]} enables no "
                "transmitter (txEnable 0), so it has no echo."
            )
        if not self.transmitters:
            raise ValueError("CaptureSettings: transmitters is empty: a loop needs a chirp.")

    def _check_kept(self, count: int) -> None:
        """Raise ValueError unless the kept chirps are some of the loop, in order."""
        ordered = all(a < b for a, b in itertools.pairwise(self.chirps))
        inside = min(self.chirps) >= 0 and max(self.chirps) < count
        if not ordered or not inside or len(self.chirps) != len(self.transmitters):
            raise ValueError(
                f"CaptureSettings: kept={self.kept} must be ascending numbers of the {count} "
                f"chirps of a loop, one for each of transmitters={self.transmitters}."
            )

    @property
    def loop_chirps(self) -> int:
        """Number of chirps of a loop, kept or not."""
        return self.chirps_in_loop or len(self.transmitters)

    @property
    def chirps(self) -> tuple[int, ...]:
        """Numbers of the chirps of a loop that are kept."""
        return self.kept or tuple(range(self.loop_chirps))

    @property
    def idle_time(self) -> float:
        """Time before each ramp in s; raises ValueError where it is not known or not one."""
        return self._common("idle_times", "idleTimeVar")

    @property
    def ramp_end_time(self) -> float:
        """Time from a ramp's start to its end in s; ValueError where not known or not one."""
        return self._common("ramp_end_times", "several profiles")

    @property
    def chirp_period(self) -> float:
        """Time from chirp to chirp in s, idle and ramp; ValueError where not known or not one."""
        return self.idle_time + self.ramp_end_time

    def _common(self, name: str, cause: str) -> float:
        """The one time of all chirps of a loop."""
        times = getattr(self, name)
        if not times:
            raise ValueError(f"CaptureSettings: {name} are not known; the JSON does not say.")
        if max(times) - min(times) > 1e-12:
            raise ValueError(
                f"CaptureSettings: {name} differ from chirp to chirp ({cause}): {times} s. Use "
                "chirp_starts and loop_period, which count them."
            )
        return times[0]

    @property
    def loop_period(self) -> float:
        """Time from loop to loop in s; raises ValueError where the timing is not known."""
        return sum(self._periods())

    @property
    def chirp_starts(self) -> tuple[float, ...]:
        """Start of the ramp of each kept chirp in s from its loop's start."""
        periods = self._periods()
        return tuple(sum(periods[:k]) + self.idle_times[k] for k in self.chirps)

    def _periods(self) -> list[float]:
        """Times of every chirp of a loop, kept or not, in s."""
        if not self.idle_times or not self.ramp_end_times:
            raise ValueError(
                "CaptureSettings: the timing of the chirps is not known; idle_times and "
                "ramp_end_times are empty."
            )
        return [a + b for a, b in zip(self.idle_times, self.ramp_end_times, strict=True)]

    @property
    def transmitter_order(self) -> tuple[int, ...]:
        """Number of the transmitter of each kept chirp, from 0.

        With time-division MIMO the virtual antennas of a loop are those of
        `RadarGeometry.mimo(transmitters[list(order)], receivers)`: chirp after chirp, receivers
        fastest, as in the samples. Raises ValueError where a chirp enables several transmitters.
        """
        for number, bits in zip(self.chirps, self.transmitters, strict=True):
            if bits.bit_count() != 1:
                raise ValueError(
                    f"CaptureSettings: chirp {number} enables {bits.bit_count()} transmitters "
                    f"(txEnable {bits:#x}); with time division it is one."
                )
        return tuple(bits.bit_length() - 1 for bits in self.transmitters)
