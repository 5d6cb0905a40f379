"""Problems of restoring images: lost pixels, noise, blur, large pixels, coded exposures."""

from inverse_inr.problems.restoration.coded import single_pixel as single_pixel
from inverse_inr.problems.restoration.coded import video_snapshot as video_snapshot
from inverse_inr.problems.restoration.deblurring import deblur as deblur
from inverse_inr.problems.restoration.denoising import denoise as denoise
from inverse_inr.problems.restoration.films import read_film as read_film
from inverse_inr.problems.restoration.films import write_film as write_film
from inverse_inr.problems.restoration.photographs import inpaint as inpaint
from inverse_inr.problems.restoration.photographs import super_resolution as super_resolution
from inverse_inr.problems.restoration.restored import deblurred as deblurred
from inverse_inr.problems.restoration.restored import denoised as denoised
from inverse_inr.problems.restoration.restored import enlarged as enlarged
from inverse_inr.problems.restoration.restored import inpainted as inpainted
from inverse_inr.problems.restoration.video import video as video
