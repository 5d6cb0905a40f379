"""Fields as files: `encode` an image or a fitted field to bytes, `decode` them to a field.

Weights and latents are quantised and entropy-coded in integers, so that what is decoded is the same
to the last bit on every machine.
"""

from inverse_inr.codec.encoding import decode as decode
from inverse_inr.codec.encoding import decode_image as decode_image
from inverse_inr.codec.encoding import encode as encode
from inverse_inr.codec.encoding import grid_of as grid_of
