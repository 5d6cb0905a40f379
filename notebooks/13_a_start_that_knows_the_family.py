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
# # A start that knows the family
#
# $$\text{minimise over } \theta_0, \alpha: \quad \sum_{\text{tasks } t} D_t\big(A_t(f_{\theta_t}),\, y_t\big),
# \qquad \theta_t = \theta_0 - \alpha \odot \nabla_\theta D_t\big(A_t(f_{\theta_0}),\, y_t\big) - \dots$$
#
# A fit begins from random weights and knows nothing of the last thousand fits. A **family** learns what fields share:
# here a start $\theta_0$ and a step size $\alpha$ for each weight and step, so that *three* steps go as far as tens of
# steps from scratch. Each task is a `Problem` with its own operator: the family is learnt through the physics.
#
# We scan blobs by few X-ray views and see that
#
# 1. three steps from the learnt start are a picture, three steps from a random one are not,
# 2. a start saves steps; it does not find what the views do not say,
# 3. on things of another kind it helps at first and hinders in the end.
#
# It takes about a minute on one CPU core.

# %%
import math

import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import families, noise, operators
from inverse_inr.stopping import Never

torch.set_num_threads(1)

# %% [markdown]
# ## $A$ and $y$: twelve views of five blobs
#
# All tasks share the instrument here. They need not: each may have its own.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
grid = ii.Grid(box, (24, 24))
beam = operators.ParallelBeam(box, torch.arange(12) * math.pi / 12, 24).on(grid)
sigma = noise.Gaussian(0.01)


def scan(truth, seed):
    """The measurements of a truth, with noise."""
    y = sigma.sample(ii.predict(beam, truth), torch.Generator().manual_seed(seed))
    return ii.Problem([ii.Term(beam, y, sigma)], box, grid, reference=truth)


def blobs(seed):
    """Five blobs at random places: one member of the family."""
    return scan(ii.phantoms.gaussian_blobs(box, count=5, width=0.12, seed=seed), seed)


# %% [markdown]
# ## Learning the start
#
# Forty scans teach it, without any truth: the loss is that of the measurements after three steps. A tenth of the scans
# is held out, and the state that adapts to those best is returned.

# %%
options = {"width": 32, "depth": 2, "omega0": 15.0}
family = families.MetaLearned("siren", options, inner_steps=3)
learnt = families.train(family, [blobs(seed) for seed in range(40)], steps=250, lr=3e-3, seed=0, callbacks=[])

# %% [markdown]
# ## Three steps
#
# The same three steps, from the learnt start and from a random one. `families.Training` before its first step is the
# random start with the single step size that is best for the first tasks: as good as plain gradient descent gets.

# %%
fresh = blobs(1000)
random = families.Training(family, [blobs(seed) for seed in range(40)], seed=0).family
truth = ii.sample(fresh.reference, grid, average=4)[..., 0]
span = float(truth.max() - truth.min())


def psnr(solution):
    """PSNR in dB, which needs the truth: we made the data."""
    return float(20 * math.log10(span) - 10 * (solution.sample()[..., 0] - truth).square().mean().log10())


solved = {"random start, 3 steps": random.solve(fresh), "learnt start, 3 steps": learnt.solve(fresh)}
scratch = {"random start, 300 steps": families.fit_many([fresh], "siren", options=options, steps=300)[0]}
figure, panels = plt.subplots(1, 4, figsize=(9.5, 2.8), layout="constrained")
shown = {"truth": truth}
shown |= {f"{name}\n{psnr(s):.1f} dB": s.sample()[..., 0] for name, s in (solved | scratch).items()}
for panel, (title, picture) in zip(panels, shown.items(), strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=float(truth.max()))
    panel.set(xticks=[], yticks=[], title=title)

# %% [markdown]
# ## Going on
#
# `family.start(problem)` is an ordinary prior, from which any fit goes on. The curve is the misfit of the measurements,
# in units of the noise, on members of the family and on a thing of another kind: a head.


# %% tags=["figure"]
def misfits(problem, prior):
    """Root mean square residual after some numbers of further steps of Adam, in units of the noise."""
    found = []
    for steps in (1, 3, 10, 30, 100, 300):
        fit = ii.Solver(problem, families.between(prior, prior, 0.0), steps=steps, lr=1e-3, stopping=Never(every=steps))
        residual = ii.predict(beam, fit.run().field) - problem.terms[0].y
        found.append(float(residual.detach().square().mean().sqrt()) / 0.01)
    return found


head = scan(ii.phantoms.shepp_logan(box), 7)
curves = {
    ("a member", "learnt start"): misfits(fresh, learnt.start(fresh)),
    ("a member", "random start"): misfits(fresh, random.start(fresh)),
    ("another kind", "learnt start"): misfits(head, learnt.start(head)),
    ("another kind", "random start"): misfits(head, random.start(head)),
}
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (kind, start), values in curves.items():
    style = {"color": {"learnt start": "tab:blue", "random start": "tab:orange"}[start],
             "linestyle": {"a member": "-", "another kind": ":"}[kind]}
    axes.loglog([1, 3, 10, 30, 100, 300], values, "o", label=f"{kind}, {start}", **style)
axes.axhline(1.0, color="gray", linewidth=0.8)
axes.set(xlabel="further steps of Adam", ylabel="misfit / noise", title="A learnt start saves steps on its own family")
axes.legend()

# %% [markdown]
# Solid lines are a member of the family, dotted ones the head; the gray line is the noise. On the head the learnt
# weights are ahead for some tens of steps and behind after hundreds: what they know of blobs has to be unlearnt. A fit that goes below it
# fits the noise: a start does not say what the views leave open, and a regularizer is still needed. See
# docs/families.md for kinds that do learn the answer (`Conditioned`).

# %% [markdown]
# ## Exercises
#
# **1. Three steps by hand.** A task is $D(\theta) = \tfrac12 (\theta - t)^2$. Write `answer_1(start, rate, target, steps)`: where
# gradient descent is after so many steps.
#
# <details><summary>Hint</summary>
#
# The gradient is $\theta - t$: each step leaves the part $1 - \text{rate}$ of the distance.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(start, rate, target, steps):
#     return target + (start - target) * (1 - rate) ** steps
# ```
#
# </details>
#
# **2. The best start.** Many such tasks with `targets` (n,), all with the same rate and number of steps. From which start is the mean loss
# *after* the steps least? Write `answer_2(targets)`.
#
# <details><summary>Hint</summary>
#
# The loss after the steps is a multiple of $(\theta_0 - t)^2$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(targets):
#     return targets.mean()
# ```
#
# </details>
#
# **To go on.** Train with `inner_steps=1`: does one step then reach what three did? Give `families.train` the truths,
# `targets=[families.truth(p) for p in problems]`: which of the two, misfit or PSNR, gets better, and which may get worse? Starts that know
# more than a mean are those of networks, whose loss is no parabola.

# %%
from exercises import check_13

answer_1 = None
answer_2 = None
check_13.first(answer_1)
check_13.second(answer_2)
