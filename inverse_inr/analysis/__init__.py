"""Choose and understand priors before they are trained; docs/analysis.md says more.

FreSh chooses a bandwidth by spatial spectra; the rest returns numbers with a `plot()` that returns
matplotlib axes.
"""

from inverse_inr.analysis.activations import Curves as Curves
from inverse_inr.analysis.activations import RieszBounds as RieszBounds
from inverse_inr.analysis.activations import activation_curves as activation_curves
from inverse_inr.analysis.activations import plot_activation as plot_activation
from inverse_inr.analysis.activations import riesz as riesz
from inverse_inr.analysis.choosing import choose_bandwidth as choose_bandwidth
from inverse_inr.analysis.choosing import choose_prior as choose_prior
from inverse_inr.analysis.choosing import measured_band as measured_band
from inverse_inr.analysis.embedding import LocalLipschitz as LocalLipschitz
from inverse_inr.analysis.embedding import SingularValues as SingularValues
from inverse_inr.analysis.embedding import embedding_singular_values as embedding_singular_values
from inverse_inr.analysis.embedding import features as features
from inverse_inr.analysis.embedding import local_lipschitz as local_lipschitz
from inverse_inr.analysis.harmonics import Harmonics as Harmonics
from inverse_inr.analysis.harmonics import harmonics as harmonics
from inverse_inr.analysis.harmonics import periodic_line as periodic_line
from inverse_inr.analysis.kernel import KernelSpectrum as KernelSpectrum
from inverse_inr.analysis.kernel import ntk_spectrum as ntk_spectrum
from inverse_inr.analysis.matching import Choice as Choice
from inverse_inr.analysis.matching import fresh as fresh
from inverse_inr.analysis.spectrum import Bins as Bins
from inverse_inr.analysis.spectrum import distance as distance
from inverse_inr.analysis.spectrum import spectrum as spectrum
