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
# # Solving an equation without a grid
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# A network that maps a position to a value has derivatives, exact ones, at any position we like. So a *differential
# equation* can stand where the measurements stand: $A$ is a differential operator, $y$ its right-hand side. No mesh is
# built, and no stencil. We
#
# 1. solve Poisson's equation on a flower, a domain that no pixel grid fits,
# 2. find how well a rod conducts heat, from a few noisy thermometers: the equation holds only if the unknown
#    conductivity is right.
#
# | letter | part 1 | part 2 |
# |---|---|---|
# | $f_\theta$ | the potential $u(x, y)$ | the temperature $u(x, t)$ |
# | $A$ | $-\Delta u$ inside, $u$ on the rim | $\partial_t u - \kappa\, \partial_x^2 u$ everywhere, $u$ at the thermometers |
# | $y$ | the charge inside, the voltage on the rim | zero everywhere, the readings |
#
# It takes about half a minute on one CPU core.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

import inverse_inr as ii
from inverse_inr import fidelity, noise, operators, optimizers, priors
from inverse_inr.stopping import Never

torch.set_num_threads(1)

# %% [markdown]
# ## 1. Poisson's equation on a flower
#
# $$-\Delta u = s \ \text{ in } \Omega, \qquad u = g \ \text{ on } \partial\Omega$$
#
# The rim is a curve, $r(\varphi) = 0.7 + 0.2 \cos 5\varphi$. We choose the answer,
# $u(x, y) = e^{-|x|^2} \sin(3x + 2y)$, and compute the charge $s$ that belongs to it by the very operator that will
# explain it; so we know what to expect. `operators.Laplacian` differentiates whatever field it is given: here a formula,
# below a network.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("m", "m"))


def exact(p):
    """The potential we hope to find: (*s, 2) -> (*s, 1)."""
    x, y = p[..., 0], p[..., 1]
    return (torch.exp(-(x**2 + y**2)) * torch.sin(3 * x + 2 * y))[..., None]


def radius(angle):
    return 0.7 + 0.2 * torch.cos(5 * angle)


def inside_flower(p):
    return p.norm(dim=-1) < radius(torch.atan2(p[..., 1], p[..., 0]))


generator = torch.Generator().manual_seed(0)
inside = box.random_points(2000, generator=generator)
inside = inside[inside_flower(inside)]  # some 800 places, wherever they fell
angle = torch.linspace(0, 2 * math.pi, 201)[:-1]
rim = radius(angle)[:, None] * torch.stack([angle.cos(), angle.sin()], -1)

charge = -ii.predict(operators.Laplacian(inside), exact).detach()
equation = operators.Residual(lambda u: -u.laplacian, inside)  # u: the field and its derivatives at those places
problem = ii.Problem(
    [
        ii.Term(equation, charge, fidelity.L2()),
        ii.Term(operators.PointSamples(rim), exact(rim)[..., 0], fidelity.L2(), weight=100.0),
    ],
    box, ii.Grid(box, (128, 128)),
)
print(f"{len(inside)} places inside, {len(rim)} on the rim; no grid, no mesh")

# %% [markdown]
# Two terms, two lines of physics. The rim counts a hundred times more, because second derivatives are large numbers.
# The objective has no noise and no random batches, so L-BFGS, which learns the curvature as it goes, is the optimiser
# to take. The frequency $\omega_0 = 4$ says that the answer turns about once across the box, not thirty times.

# %%
network = priors.create("siren", box, width=48, depth=3, omega0=4.0, seed=0)
errors = []


def watch(solver, record):
    """How far off, at every check, on places that no term has seen."""
    field = solver.prior
    with torch.no_grad():
        errors.append(float((field(fresh) - exact(fresh)).norm() / exact(fresh).norm()))


fresh = box.random_points(4000, generator=generator)
fresh = fresh[inside_flower(fresh)]
solution = ii.solve(problem, network, steps=80, regularizers=[], optimizer=optimizers.LBFGS(), stopping=Never(every=2),
                    callbacks=[watch])
print(f"relative error {errors[-1]:.1e} after {solution.seconds:.0f} s")

# %% tags=["figure"]
grid = problem.grid
mask = inside_flower(grid.points())
found = solution.sample()[..., 0].where(mask, torch.nan)
off = (found - exact(grid.points())[..., 0]).where(mask, torch.nan)
figure, (a, b, c) = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
view = dict(origin="lower", extent=(-1, 1, -1, 1))
a.scatter(*inside.T, s=4, c=charge, cmap="coolwarm")
a.plot(*rim[[*range(200), 0]].T, color="black")
a.set(title="charge inside, voltage on the rim", aspect="equal", xlabel="x", ylabel="y")
shown = b.imshow(found.T, cmap="coolwarm", **view)
b.contour(found.T, 12, colors="black", linewidths=0.4, **view)
b.set(title="what is found: the potential u", xlabel="x", yticks=[])
figure.colorbar(shown, ax=b)
shown = c.imshow(off.T.abs().log10(), cmap="viridis", **view)
c.set(title="log10 of the error", xlabel="x", yticks=[])
figure.colorbar(shown, ax=c)
plt.show()

# %% [markdown]
# The answer is a formula in $x$ and $y$ with a few thousand numbers in it. It can be asked anywhere, and so can its
# derivatives; the error map is smooth, since there is no mesh to leave its pattern behind.
#
# ## 2. An equation with an unknown in it
#
# A rod of 1 m, both ends on ice, is warm at first: $u(x, 0) = \sin \pi x + \tfrac12 \sin 3 \pi x$. Twelve thermometers
# read for 1 s, every reading is off by 0.02. How well does the rod conduct?
#
# $$\partial_t u = \kappa\, \partial_x^2 u, \qquad u(0, t) = u(1, t) = 0, \qquad \kappa \text{ unknown}$$
#
# Space and time are two axes of one box. The unknown $\kappa$ is a parameter of the *operator*: the solver fits it
# together with the field, with a learning rate of its own. An operator that learns where its camera stood or how its
# detector ages works in the same way.

# %%
rod = ii.Box((0.0, 0.0), (1.0, 1.0), units=("m", "s"))
TRUE = 0.08  # m²/s; the code below must find it out


def temperature(p):
    x, t = p[..., :1], p[..., 1:]
    modes = [(k, torch.sin(k * math.pi * x) * torch.exp(-TRUE * (k * math.pi) ** 2 * t)) for k in (1, 3)]
    return modes[0][1] + 0.5 * modes[1][1]


class HeatEquation(nn.Module):
    """u_t - κ u_xx, κ learnt (its logarithm, so that it stays positive); the first guess is 1 m²/s."""

    def __init__(self):
        super().__init__()
        self.log_rate = nn.Parameter(torch.zeros(()))

    def forward(self, u):
        return u.d(1) - self.log_rate.exp() * u.d(0, 0)


thermometers = rod.random_points(300, generator=generator)
places = (torch.arange(12) + 0.5) / 12
thermometers[:, 0] = places[torch.arange(300) % 12]  # twelve fixed places, any time
sigma = 0.02
readings = noise.Gaussian(sigma).sample(temperature(thermometers)[..., 0], generator=generator)
ends, _ = operators.box_boundary(rod, 60, faces=[(0, 0), (0, 1)])

heat = operators.Residual(HeatEquation(), rod.random_points(500, generator=generator))
problem = ii.Problem(
    [
        ii.Term(operators.PointSamples(thermometers), readings, noise.Gaussian(sigma)),
        ii.Term(heat, torch.zeros(500), fidelity.L2(), weight=100.0),
        ii.Term(operators.PointSamples(ends.float()), torch.zeros(60), noise.Gaussian(sigma)),
    ],
    rod, ii.Grid(rod, (64, 64)),
)
rates = []
solution = ii.solve(
    problem, priors.create("siren", rod, width=48, depth=3, omega0=4.0, seed=0), steps=60, regularizers=[],
    optimizer=optimizers.LBFGS(), stopping=Never(every=1),
    callbacks=[lambda solver, record: rates.append(solver.objective.operators[1].pde.log_rate.exp().item())],
)
print(f"κ = {rates[-1]:.4f} m²/s; the truth is {TRUE}")

# %%
figure, (a, b, c) = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
a.scatter(thermometers[:, 1], thermometers[:, 0], c=readings, s=10, cmap="inferno", vmin=0, vmax=1.1)
a.set(title="300 noisy readings", xlabel="t (s)", ylabel="x (m)")
b.imshow(solution.sample()[..., 0], origin="lower", extent=(0, 1, 0, 1), aspect="auto", cmap="inferno", vmin=0, vmax=1.1)
b.set(title="the temperature between them", xlabel="t (s)", ylabel="x (m)")
c.semilogy(rates)
c.axhline(TRUE, color="black", lw=0.8, ls="--", label="truth")
c.set(title="κ (m²/s) along the way", xlabel="step")
c.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How to read it
#
# Part 1 has nothing to invert: a good finite-element code is faster and as exact. What the network buys is that a curved
# rim costs two lines. Part 2 is where it pays: readings at arbitrary places and times, noise, and an unknown constant
# enter as further terms of the same sum, and nothing else changes.
#
# * The weights between the terms are a choice. Readings of known noise have a natural one; an equation that holds
#   exactly has not. Too small a weight lets the field break the physics, too large a one lets it ignore the data.
# * Nothing warns us of a solution too wild for the network. `omega0` must be large enough for the field, here about 4.

# %% [markdown]
# ## Exercises
#
# **1. Waves instead of charges.** Helmholtz' equation is $\Delta u + k^2 u = 0$. Write it for $k = 5$ as `answer_1(u)`, what
# `operators.Residual` wants: zero where $u$ solves it.
#
# <details><summary>Hint</summary>
#
# `u.value` is the field, `u.laplacian` its Laplacian, `u.d(0)` a derivative along axis 0.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(u):
#     return u.laplacian + 25 * u.value
# ```
#
# </details>
#
# **2. A string.** Place is axis 0 (m) and time axis 1 (s). Write the wave equation $\partial_t^2 u = c^2\, \partial_x^2 u$ with
# $c = 2$ m/s as `answer_2(u)`.
#
# <details><summary>Hint</summary>
#
# `u.d(1, 1)` is the second derivative in time.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(u):
#     return u.d(1, 1) - 4 * u.d(0, 0)
# ```
#
# </details>
#
# **To go on.** Solve with `answer_1` in the flower, with $\cos(3x + 4y)$ on the rim; then with $k = 25$, where the wave turns eight times
# across the box: raise `omega0` and the number of places. And keep every tenth reading of the rod, `thermometers[::10]`, with several seeds
# of `generator`: with few readings $\kappa$ is a random number, and its spread is the honest answer.

# %%
from exercises import check_12

answer_1 = None
answer_2 = None
check_12.first(answer_1)
check_12.second(answer_2)
