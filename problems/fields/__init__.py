"""Problems whose measurements are derivatives: boundary values, and images from gradients."""

from inverse_inr.problems.fields.coefficients import inverse_coefficient as inverse_coefficient
from inverse_inr.problems.fields.diffusivity import diffusivity as diffusivity
from inverse_inr.problems.fields.diffusivity import fitted_diffusivity as fitted_diffusivity
from inverse_inr.problems.fields.figures import errors_by_channel as errors_by_channel
from inverse_inr.problems.fields.from_derivatives import boundary_value as boundary_value
from inverse_inr.problems.fields.gradient_domain import poisson_edit as poisson_edit
from inverse_inr.problems.fields.odd_shapes import odd_shape as odd_shape
from inverse_inr.problems.fields.regions import Curve as Curve
from inverse_inr.problems.fields.regions import Region as Region
