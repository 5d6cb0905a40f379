"""How close an image is to a reference. For reporting only: the library never stops or tunes on it.

Images are sampled fields, (*grid.shape, c), or plain arrays, (*grid.shape); both sides have one
shape. A `mask` (a field of view) is boolean, of the image's shape with or without the channel axis.
Everything is computed in float64 on the CPU. `data_range` is the span that values can take, always
explicit: inferred ranges make figures of two papers, or of two dtypes, differ. Tables and figures
here show one PSNR, `psnr_of_span`, whose range is the reference's own span.
"""

from inverse_inr.metrics.errors import PSNR_MEANS as PSNR_MEANS
from inverse_inr.metrics.errors import nrmse as nrmse
from inverse_inr.metrics.errors import psnr as psnr
from inverse_inr.metrics.errors import psnr_of_span as psnr_of_span
from inverse_inr.metrics.errors import relative_error as relative_error
from inverse_inr.metrics.errors import span as span
from inverse_inr.metrics.labels import dice as dice
from inverse_inr.metrics.labels import iou as iou
from inverse_inr.metrics.pairs import modulus as modulus
from inverse_inr.metrics.pairs import where_known as where_known
from inverse_inr.metrics.spectra import band_psnr as band_psnr
from inverse_inr.metrics.spectra import ergas as ergas
from inverse_inr.metrics.spectra import spectral_angle as spectral_angle
from inverse_inr.metrics.structure import WINDOW as WINDOW
from inverse_inr.metrics.structure import ssim as ssim
