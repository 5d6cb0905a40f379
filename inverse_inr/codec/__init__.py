"""Fields as files: `encode` an image or a fitted field to bytes, `decode` them to a field.

The weights of a network are quantised and entropy-coded in integers, so that the field is the same
to the last bit on every machine.
"""

from inverse_inr.codec.coin import decode as decode
from inverse_inr.codec.coin import decode_image as decode_image
from inverse_inr.codec.coin import encode as encode
