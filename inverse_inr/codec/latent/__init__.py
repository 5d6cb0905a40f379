"""Pictures as wavelet lattices and two small networks, which are fitted to each picture."""

from inverse_inr.codec.latent.encoding import decode_latents as decode_latents
from inverse_inr.codec.latent.encoding import encode_latents as encode_latents
