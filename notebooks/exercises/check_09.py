"""09: Seeing with radar."""

from exercises import exercise, require, require_near

SPEED = 299_792_458.0


@exercise
def first(answer: float) -> None:
    """The bandwidth for a range resolution of 1 cm."""
    require(
        abs(float(answer) / (SPEED / 0.01) - 1) > 0.05,
        "There and back: the path differs by twice the range.",
    )
    require_near(float(answer) / (SPEED / 0.02), 1.0, 0.02, "c / 2B = 0.01 m, in Hz.")


@exercise
def second(answer: float, wavelength: float) -> None:
    """The period in mm with which two points cancel and add."""
    require(abs(float(answer) - 1e3 * wavelength) > 0.3, "The echo goes there and back.")
    require_near(
        float(answer), 5e2 * wavelength, 0.3, "Phases differ by 2π · 2 d / wavelength; in mm."
    )
