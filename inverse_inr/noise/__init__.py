"""Noise models: one object simulates measurements and is the fidelity D that fits them.

Each is called as `noise(prediction, y)` and returns the mean over measurements of the negative
log-likelihood (up to a constant that does not depend on the prediction). Parameters are numbers,
or tensors with one value per row.
"""

from inverse_inr.noise.counts import Poisson as Poisson
from inverse_inr.noise.counts import Sensor as Sensor
from inverse_inr.noise.estimation import estimate_deviation as estimate_deviation
from inverse_inr.noise.estimation import estimate_from_replicates as estimate_from_replicates
from inverse_inr.noise.gaussian import ComplexGaussian as ComplexGaussian
from inverse_inr.noise.gaussian import Gaussian as Gaussian
from inverse_inr.noise.gaussian import StudentT as StudentT
from inverse_inr.noise.model import Noise as Noise
from inverse_inr.noise.model import Parameter as Parameter
from inverse_inr.noise.shot import estimate_sensor as estimate_sensor
from inverse_inr.noise.speckle import Gamma as Gamma
