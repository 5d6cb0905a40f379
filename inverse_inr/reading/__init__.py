"""What a fitted field knows: labels, classes and quality, read from its weights and layers."""

from inverse_inr.reading.features import code_features as code_features
from inverse_inr.reading.features import fused as fused
from inverse_inr.reading.features import heat_maps as heat_maps
from inverse_inr.reading.features import weight_features as weight_features
from inverse_inr.reading.images import image_problems as image_problems
from inverse_inr.reading.labels import CrossEntropy as CrossEntropy
from inverse_inr.reading.labels import one_hot as one_hot
from inverse_inr.reading.presets import iosnet as iosnet
from inverse_inr.reading.presets import metaseg as metaseg
from inverse_inr.reading.quality import QualityGauge as QualityGauge
from inverse_inr.reading.quality import profile_divergence as profile_divergence
from inverse_inr.reading.quality import variance_divergence as variance_divergence
from inverse_inr.reading.segmentation import Segmenter as Segmenter
from inverse_inr.reading.segmentation import train_segmenter as train_segmenter
from inverse_inr.reading.task_aware import TaskAware as TaskAware
from inverse_inr.reading.teaching import train_classifier as train_classifier
from inverse_inr.reading.tokens import weight_tokens as weight_tokens
