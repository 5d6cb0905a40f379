"""Pictures as wavelet coefficients, whose spread a small network in whole numbers predicts."""

from inverse_inr.codec.wavelet.coding import decode_wavelet as decode_wavelet
from inverse_inr.codec.wavelet.coding import encode_wavelet as encode_wavelet
