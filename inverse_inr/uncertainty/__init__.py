"""How sure a reconstruction is, and whether that can be believed."""

from inverse_inr.uncertainty.bands import Bands as Bands
from inverse_inr.uncertainty.bands import conformal_bands as conformal_bands
from inverse_inr.uncertainty.calibrating import Report as Report
from inverse_inr.uncertainty.calibrating import conformal as conformal
from inverse_inr.uncertainty.calibrating import report as report
from inverse_inr.uncertainty.dropout import mc_dropout as mc_dropout
from inverse_inr.uncertainty.ensembles import Ensemble as Ensemble
from inverse_inr.uncertainty.ensembles import MeanField as MeanField
from inverse_inr.uncertainty.ensembles import SameSplit as SameSplit
from inverse_inr.uncertainty.ensembles import ensemble as ensemble
from inverse_inr.uncertainty.ensembles import held_out_scale as held_out_scale
from inverse_inr.uncertainty.laplace import Laplace as Laplace
from inverse_inr.uncertainty.laplace import coordinate_laplace as coordinate_laplace
from inverse_inr.uncertainty.laplace import linearised as linearised
