"""Many problems at once: one batched step for fields of one architecture."""

from inverse_inr.solver.many.solving import solve_many as solve_many
