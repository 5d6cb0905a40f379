"""Constants of nature that several rooms need, each written down once."""

SPEED_OF_LIGHT = 299_792_458.0
"""Speed of light in vacuum, in m/s: exact by the definition of the metre."""
