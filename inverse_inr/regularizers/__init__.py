"""Regularizers R(f): of slopes, values, parameters, similar patches, patch models, denoisers."""

from inverse_inr.kernels.patches import similar_patches as similar_patches
from inverse_inr.regularizers.parameters import PriorPenalty as PriorPenalty
from inverse_inr.regularizers.parameters import WeightDecay as WeightDecay
from inverse_inr.regularizers.patch_models import LocalGaussians as LocalGaussians
from inverse_inr.regularizers.patch_models import PatchModels as PatchModels
from inverse_inr.regularizers.patch_models import affordable_stride as affordable_stride
from inverse_inr.regularizers.red import RED as RED
from inverse_inr.regularizers.similarity import NonLocal as NonLocal
from inverse_inr.regularizers.slopes import EdgePreserving as EdgePreserving
from inverse_inr.regularizers.slopes import PairDifference as PairDifference
from inverse_inr.regularizers.slopes import Sobolev as Sobolev
from inverse_inr.regularizers.slopes import TotalVariation as TotalVariation
from inverse_inr.regularizers.slopes import random_patch as random_patch
from inverse_inr.regularizers.values import L1 as L1
from inverse_inr.regularizers.values import Smoothness as Smoothness
from inverse_inr.regularizers.weighted import HasResiduals as HasResiduals
from inverse_inr.regularizers.weighted import Regularizer as Regularizer
from inverse_inr.regularizers.weighted import Weighted as Weighted
from inverse_inr.regularizers.weighted import as_weighted as as_weighted
