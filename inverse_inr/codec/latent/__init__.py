"""Pictures as latents in a pyramid, whose spread a small network in whole numbers predicts."""

from inverse_inr.codec.latent.coding import decode_latents as decode_latents
from inverse_inr.codec.latent.coding import encode_latents as encode_latents
