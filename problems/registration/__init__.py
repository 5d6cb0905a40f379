"""Problems of aligning two images by a deformation."""

from inverse_inr.problems.registration.deformable import register as register
