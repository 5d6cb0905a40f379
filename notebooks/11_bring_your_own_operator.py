# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# %% [markdown]
# # Bring your own operator
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# Your instrument is not in the library. Here is what it takes to add it: one class that says *where a measurement looks*,
# and *what it makes of the values seen there*. Everything else, the networks, classical methods, stopping, tests, works with it.
#
# The instrument is a **photoacoustic** scanner. A laser flash warms tissue; where light is absorbed, $f(x)$, it expands and
# sends out a wave of sound. A sensor at $s$ hears at time $t$ what comes from all places at the distance $c\,t$, so
#
# $$y(s, t) = \int_{|x - s| = c t} f(x)\, d\ell$$
#
# is the integral of $f$ along an arc around the sensor. (A wave in the plane does a little more; we leave it at arcs.) We
#
# 1. write $A$ in a dozen lines,
# 2. check it against a formula, and by the library's own kit,
# 3. reconstruct, by a network and by classical methods that we get for nothing.
#
# It takes about half a minute on one CPU core.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

import inverse_inr as ii
from inverse_inr import baselines, noise, phantoms, plotting, priors, regularizers
from inverse_inr.testing import OperatorTests, run_checks

torch.set_num_threads(1)

# %% [markdown]
# ## The operator
#
# Measurements are numbered; `rows` are the numbers of those that are wanted, in any order. The answer is a pair: points
# `(*s, 2)`, in the unit of the box, and a function from the values seen there, `(*s, 1)`, to the measurements, `(b,)`.
# Geometry is kept in float64: the library casts points to the field's precision.

# %%
box = ii.Box((-10.0, -10.0), (10.0, 10.0), units=("mm", "mm"))


class Arcs(nn.Module):
    """Integrals along arcs around sensors outside of the box.

    sensors (n, 2) in mm, times (m,) in µs, speed of sound in mm / µs; row i * m + j is sensor i at time j.
    """

    def __init__(self, sensors, times, speed, nodes=96):
        super().__init__()
        self.sensors, self.times, self.speed = sensors, times, speed
        self.angles = math.pi * ((torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes - 0.5)  # half a circle

    def __len__(self):
        return len(self.sensors) * len(self.times)

    def forward(self, rows):
        sensor, radius = self.sensors[rows // len(self.times)], self.speed * self.times[rows % len(self.times)]
        angle = torch.atan2(-sensor[:, 1], -sensor[:, 0])[:, None] + self.angles  # around the way to the middle
        points = sensor[:, None] + radius[:, None, None] * torch.stack([angle.cos(), angle.sin()], -1)
        inside = (points.abs() <= 10).all(-1)  # there is nothing outside of the box
        step = math.pi * radius / len(self.angles)  # mm between two nodes

        def measure(values):
            return (values[..., 0] * inside).sum(1) * step.to(values.dtype)

        return ii.Query(points, measure)


around = 2 * math.pi * torch.arange(24, dtype=torch.float64) / 24
sensors = 15 * torch.stack([around.cos(), around.sin()], -1)  # a ring of 24
times = torch.linspace(3, 17, 56, dtype=torch.float64)  # µs
SPEED = 1.5  # mm / µs
A = Arcs(sensors, times, SPEED)
print(f"{len(A)} measurements")

# %% [markdown]
# ## Is it right?
#
# First a formula. Along a circle of radius $r$ around $s$, a blob $e^{-|x - q|^2 / 2 w^2}$ at the distance $d = |q - s|$ has the integral
#
# $$2 \pi r\, e^{-(d^2 + r^2) / 2 w^2}\, I_0\big(d r / w^2\big)$$
#
# with a Bessel function. A sum over nodes must agree. Test a formula *before* you reconstruct: a factor or a swapped axis in
# $A$ is not seen in the result, it only makes it worse.

# %%
q, w = torch.tensor([3.0, -2.0], dtype=torch.float64), 1.0


def blob(x):
    return torch.exp(-(x - q.to(x.dtype)).square().sum(-1, keepdim=True) / (2 * w**2))


d, r = (sensors - q).norm(dim=1)[:, None], SPEED * times
exact = 2 * math.pi * r * torch.exp(-((d - r) ** 2) / (2 * w**2)) * torch.special.i0e(d * r / w**2)
found = ii.predict(A, blob).reshape(24, 56)
print(f"largest difference {float((found - exact).abs().max()):.1e} of {float(exact.max()):.1f}")

# %% [markdown]
# The rest is what any operator must do: rows are independent of each other, gradients reach the field, the adjoint is the
# adjoint, single precision is precise enough. A class with a `make()` inherits these tests. `run_checks` runs them here; in a
# project, pytest finds the class, and `inverse-inr check my_file.py:small_scanner` does the same from a shell.


# %%
class TestArcs(OperatorTests):
    def make(self):
        return Arcs(sensors[:5], times[::8], SPEED)


checks = run_checks(TestArcs())
for name, failure in checks:
    print(f"{'ok' if failure is None else failure}: {name}")

# %% [markdown]
# ## What it is good for
#
# Vessels, made of blobs, measured by the formula (so that nobody's quadrature makes the data that it later explains), with
# 2 % noise. Conjugate gradients and TV need a matrix: they get it from the same class, which is asked once with an image
# between whose pixels it interpolates.

# %%
grid = ii.Grid(box, (40, 40))
draw = torch.Generator().manual_seed(3)
along = torch.linspace(-1, 1, 28, dtype=torch.float64)
vessels = torch.cat([
    torch.stack([6 * along, 3 * torch.sin(3 * along) - 2], -1),
    torch.stack([2.5 * torch.sin(4 * along) + 1, 7 * along], -1),
])
strength = 0.5 + torch.rand(len(vessels), generator=draw, dtype=torch.float64)
w = 0.5


def tissue(x):
    """Absorption, the sum of the blobs: (*s, 2) -> (*s, 1)."""
    squared = (x[..., None, :] - vessels.to(x.dtype)).square().sum(-1)
    return (torch.exp(-squared / (2 * w**2)) * strength.to(x.dtype)).sum(-1, keepdim=True)


d = (sensors[:, None] - vessels).norm(dim=-1)[:, None]  # (24, 1, blobs)
rings = 2 * math.pi * r[:, None] * torch.exp(-((d - r[:, None]) ** 2) / (2 * w**2)) * torch.special.i0e(d * r[:, None] / w**2)
clean = (rings * strength).sum(-1).flatten().float()
sigma = 0.02 * float(clean.max())
y = noise.Gaussian(sigma).sample(clean, draw)
problem = ii.Problem([ii.Term(A, y, noise.Gaussian(sigma))], box, grid, reference=tissue)

penalty = [0.1 * regularizers.TotalVariation()]
solutions = {
    "CG": baselines.cgls(problem),
    "TV": baselines.tv(problem, iterations=150, search=60, nonnegative=True),
    "INR": ii.solve(problem, priors.create("hash", box, bandwidth=priors.bandwidth_of(grid) / 2, seed=0), regularizers=penalty,
                    steps=200, batch=300, callbacks=[]),
}

# %% tags=["figure"]
truth = ii.sample(tissue, grid, average=2)
top = float(truth.max())
figure, panels = plt.subplots(2, 3, figsize=(9.6, 6.4), layout="constrained")
plotting.image(truth, axes=panels[0, 0], value_range=(0, top), title="what absorbs light")
panels[0, 1].plot(*sensors.T.flip(0), "o", color="tab:blue", ms=4)
panels[0, 1].add_patch(plt.Rectangle((-10, -10), 20, 20, fill=False, color="0.5"))
for row, color in ((10, "tab:orange"), (20, "tab:orange"), (30, "tab:orange"), (5 * 56 + 25, "tab:green")):
    points, _ = A(torch.tensor([row]))
    points = points[0][(points[0].abs() <= 10).all(-1)]
    panels[0, 1].plot(points[:, 1], points[:, 0], color=color, lw=1)
panels[0, 1].set(title="sensors, and where four rows look", aspect="equal", xlim=(-16, 16), ylim=(16, -16), xlabel="mm", ylabel="mm")
panels[0, 2].imshow(y.reshape(24, 56), aspect="auto", cmap="gray", extent=(3, 17, 23.5, -0.5))
panels[0, 2].set(title="y", xlabel="time (µs)", ylabel="sensor")
for axes, (name, solution) in zip(panels[1], solutions.items()):
    title = f"{name}, {solution.metrics()['PSNR']:.1f} dB"
    plotting.image(solution.sample(average=2), axes=axes, value_range=(0, top), title=title)
plt.show()

# %% [markdown]
# ## How to read it
#
# Smooth vessels suit the network; with edges TV would gain. The library knows nothing of sound. Sensors that point the wrong way, nodes too far apart for the pixels, a time that starts
# at the wrong trigger: the formula would have shown each.
#
# Where do you go from here? `inverse-inr run` takes an operator from a file, as `my_file.py:Arcs`; docs/how-to/write_an_operator.md
# lists what an operator *may* have besides what it must (a fast map on grids, geometry that is learnt, rows that belong
# together); docs/how-to/write_a_plugin.md makes a project of it that others install.

# %% [markdown]
# ## Exercises
#
# **1. Another instrument.** Each measurement is the *mean* of the field along a straight segment from `start[i]` to `end[i]`,
# (n, 2) each. Set `answer_1` to a class `Segments(start, end, nodes=32)`.
#
# <details><summary>Hint</summary>
#
# `along = (torch.arange(nodes) + 0.5) / nodes`, and points of shape (b, nodes, 2). The mean, not the integral: a field that is
# 1 everywhere gives 1.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# class Segments:
#     def __init__(self, start, end, nodes=32):
#         self.start, self.end = start, end
#         self.along = ((torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes)[:, None]
#
#     def __len__(self):
#         return len(self.start)
#
#     def __call__(self, rows):
#         start, end = self.start[rows][:, None], self.end[rows][:, None]
#         return ii.Query(start + self.along * (end - start), lambda values: values[..., 0].mean(1))
#
#
# answer_1 = Segments
# ```
#
# </details>
#
# **2. How fast is sound?** Nobody told the scanner the speed in this tissue; it was set to 1.4 mm / µs. Let it be learnt with the
# image, and set `answer_2` to the speed that is found, in mm / µs.
#
# <details><summary>Hint</summary>
#
# An `nn.Parameter` in the place of the number, and `operator_lr=0.01` in `ii.solve`, without `lattice` (points that move cannot be on
# one). The solution's own operator, `solution.problem.terms[0].operator`, has the learnt value.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# guess = Arcs(sensors, times, nn.Parameter(torch.tensor(1.4, dtype=torch.float64)))
# unknown = ii.Problem([ii.Term(guess, y, noise.Gaussian(sigma))], box, grid)
# solution = ii.solve(
#     unknown, priors.create("hash", box, bandwidth=priors.bandwidth_of(grid) / 4, seed=0),
#     regularizers=penalty, steps=150, batch=200, operator_lr=0.01, callbacks=[],
# )
# answer_2 = float(solution.problem.terms[0].operator.speed.detach())
# ```
#
# </details>

# %%
from exercises import check_11

answer_1 = None
answer_2 = None
check_11.first(answer_1)
check_11.second(answer_2)
