"""The floors of the house: which room may import which.

It is said once, for the tests and for the drawing in docs/. A room may import rooms of its own
floor and of those below. The first floor is the ground.
"""

FLOORS = {
    "ground": ["constants", "memory", "devices", "precision", "registry", "ranges", "kernels"],
    "space, fields and noise": [
        "domain",
        "bands",
        "evaluation",
        "sampled",
        "derivatives",
        "phantoms",
        "noise",
    ],
    "what is measured": [
        "row_sets",
<<<<<<< HEAD
        "row_indices",
        "fidelity",
=======
        "fidelity",
        "row_indices",
>>>>>>> cone
        "protocol",
        "hooks",
        "compose",
        "term",
    ],
    "files and figures": ["io", "metrics", "plotting"],
    "what is sought": [
        "denoisers",
        "regularizers",
        "stopping",
        "on_cpu",
        "problem",
        "least_squares",
    ],
    "priors": ["priors"],
    "solver": ["optimizers", "solver"],
    "what asks the solver": [
        "baselines",
        "uncertainty",
        "families",
        "codec",
        "surfaces",
        "analysis",
        "selection",
        "candidates",
        "rounds",
        "testing",
    ],
    "front door of the core": ["inverse_inr"],
    "tools of operators": [
        "operators.rows",
        "operators.quadrature",
        "operators.rigid",
        "operators.jet",
    ],
    "operators": [
        "operators.differential",
        "operators.warp",
        "operators.ct",
        "operators.optics",
        "operators.kspace",
        "operators.slices",
        "operators.spectral",
        "operators.radar",
        "operators.ultrasound",
    ],
    "front door of the operators": ["operators", "operators.catalogue"],
    "tools of problems": [
        "problems",
        "problems.images",
        "problems.masks",
        "problems.pictures",
        "problems.pixels",
    ],
    "problems": [
        "problems.audio",
        "problems.ct",
        "problems.restoration",
        "problems.fields",
        "problems.registration",
        "problems.kspace",
        "problems.slices",
        "problems.spectral",
        "problems.radar",
    ],
    "catalogue of problems": ["problems.catalogue"],
    "command line": ["command"],
}
