"""What a fitted field knows: labels, classes and quality, read from its weights and layers."""

from inverse_inr.reading.images import image_problems as image_problems
from inverse_inr.reading.labels import CrossEntropy as CrossEntropy
from inverse_inr.reading.labels import one_hot as one_hot
from inverse_inr.reading.presets import iosnet as iosnet
from inverse_inr.reading.presets import metaseg as metaseg
from inverse_inr.reading.segmentation import Segmenter as Segmenter
from inverse_inr.reading.segmentation import train_segmenter as train_segmenter
