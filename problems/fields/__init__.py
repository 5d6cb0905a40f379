"""Problems whose measurements are derivatives: boundary values, and images from gradients."""

from inverse_inr.problems.fields.from_derivatives import boundary_value as boundary_value
from inverse_inr.problems.fields.gradient_domain import poisson_edit as poisson_edit
