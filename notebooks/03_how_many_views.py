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
# # How many views are enough?
#
# Every X-ray view costs dose and time, so we would like to take few. How few depends on what fills the gaps between
# the views. We reconstruct one phantom from 15, 30, 60 and 120 views, in three ways. All of them approach
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# | letter | in words | in the code |
# |---|---|---|
# | $f_\theta$ | the image: a function of position, with parameters $\theta$ | a pixel grid, or a small network: `prior="hash"` |
# | $A$ | the scanner: line integrals of $f$ | `A = operators.ParallelBeam(...)` |
# | $y$ | what was measured, noise included | `y` |
# | $D$ | how badly $A(f_\theta)$ explains $y$ | `noise.Gaussian(sigma)` |
# | $\lambda R$ | what we believe about images before we measure | `0.1 * regularizers.TotalVariation()` |
#
# An *implicit neural representation* (INR) is the case where $f_\theta$ is a network that takes coordinates and
# returns the value there. $A$, $y$ and $D$ stay as they are.
#
# Everything runs on one CPU core in about a minute.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import baselines, noise, operators, phantoms, plotting, regularizers
from inverse_inr.problems.ct import filtered_backprojection

# %% [markdown]
# ## The phantom, and what $A$ does to it
#
# The Shepp-Logan head is a sum of ten ellipses, so it is known at *every* point, not only at pixels. The grid is used
# by the methods that need pixels, and for showing results.
#
# $A$ itself, `ii.predict(A, f)`, sums values of $f$ at points along each ray. To simulate the data we do *not* use it:
# an ellipse's line integrals are known exactly, and data made by the same sums that later explain them would flatter
# the reconstruction (this mistake is called the *inverse crime*). The first number printed below is the difference.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
grid = ii.Grid(box, (64, 64))
phantom = phantoms.shepp_logan(box)  # any callable from points (*s, 2) to values (*s, 1) is a field


def scan(views):
    """A for this many views, evenly over 180 degrees."""
    return operators.ParallelBeam(box, angles=torch.arange(views) * torch.pi / views, detectors=64, subrays=2)


def measure(A):
    """The noiseless scan of the phantom: exact line integrals, averaged over the width of each detector bin."""
    return phantom.line_integral(*A.rays(torch.arange(len(A)), 16)).mean(1)


A = scan(60)
clean = measure(A)  # one value for each of the 60 * 64 detector readings
print(f"A(f) by A's own points along the rays differs by {float((ii.predict(A, phantom) - clean).std()):.4f}")
sigma = 0.01 * float(clean.max())  # noise: 1 % of the largest line integral
print(f"{len(clean)} measurements for {grid.numel} pixels; sigma = {sigma:.4f}")

# %% [markdown]
# On the left the phantom, as averages over pixels. On the right $A(f)$: row $i$ is the shadow of the head seen from
# angle $i$. A point of the head travels along a sine curve from row to row, hence the name *sinogram*.

# %%
picture, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
truth = ii.sample(phantom, grid, average=4)  # 4 x 4 points a pixel
plotting.image(truth, axes=left, value_range=(0, 0.5), title="the phantom f")
plotting.measurements(
    clean, A.shape, labels=("view", "detector"), axes=right, title="its sinogram A(f), 60 views"
)
plt.show()

# %% [markdown]
# ## Three ways back
#
# **FBP**, filtered backprojection, inverts $A$ by a formula that is exact for infinitely many views without noise.
# It has no $R$: between the views it puts streaks.
#
# **TV** takes a pixel image for $f_\theta$ and the total variation, $\text{mean}\,|\nabla f|$, for $R$. It believes
# in flat regions with sharp edges, which is what this phantom is made of. Its $\lambda$ is chosen by **held-out
# rows**: 5 % of the measurements are kept out of the fit, and a good $\lambda$ predicts them well. Among the
# $\lambda$ that predict about equally well, the largest is taken. Its pixels are half as wide as those of the grid
# (`finer=2`): an edge that crosses a pixel cannot be drawn by it, and with many views that error is larger than the
# noise. Then held-out rows ask for a small $\lambda$, which lets the image explain it, and noise with it.
#
# **INR** takes a hash-encoded network for $f_\theta$: tables of features from coarse to fine, read by one small
# network. Adam fits it to a random batch of rays a step, and TV at random points helps it between the views. Its
# $\lambda$ is fixed at 0.1 for all four scans (to choose it is for "To go on" at the end). The same held-out rows say which of
# the states along the way is kept.
#
# None of the three looks at the phantom. The phantom is the `reference` only so that we can grade the results.

# %%
def reconstruct(views):
    A = scan(views)
    y = noise.Gaussian(sigma).sample(measure(A), generator=torch.Generator().manual_seed(0))
    problem = ii.Problem([ii.Term(A, y, noise.Gaussian(sigma))], box, grid, reference=phantom)
    return {
        "FBP": filtered_backprojection(problem),
        "TV": baselines.tv(problem, iterations=200, search=80, finer=2),
        "INR": ii.solve(problem, prior="hash", regularizers=[0.1 * regularizers.TotalVariation()],
                        steps=400, batch=96, callbacks=[]),
    }


solutions = {views: reconstruct(views) for views in (15, 30, 60, 120)}

# %% [markdown]
# ## The results
#
# PSNR and SSIM compare with the phantom: higher is better. *Held-out* is $D$ on the rows that the fit did not see,
# lower is better. The noise alone would give 0.5; what is above comes from errors in the image and from the sums by
# which $A$ approximates its integrals. In a real scan this column is all you have. Does it rank the methods as PSNR
# does?

# %%
print(f"{'views':>5}  {'method':<6} {'PSNR (dB)':>9} {'SSIM':>6} {'held-out':>9}   chosen by held-out rows")
for views, methods in solutions.items():
    for name, solution in methods.items():
        row = solution.summary()
        chosen = {"FBP": "-", "TV": f"λ = {solution.details.get('weight', 0):.2f}", "INR": f"step {solution.best_step}"}[name]
        print(f"{views:>5}  {name:<6} {row['PSNR']:>9.1f} {row['SSIM']:>6.3f} {row['held-out']:>9.2f}   {chosen}")
    print()

# %% tags=["figure"]
counts, names = list(solutions), ["FBP", "TV", "INR"]
figure = plt.figure(figsize=(11, 5.9), layout="constrained")
pictures, curve = figure.subfigures(1, 2, width_ratios=[4, 1.8])
panels = pictures.subplots(len(names), len(counts))
for j, views in enumerate(counts):
    for i, name in enumerate(names):
        solution = solutions[views][name]
        image = solution.sample(grid, average=4)
        plotting.image(image, axes=panels[i, j], value_range=(0, 0.5))
        panels[i, j].set_xlabel(f"{solution.metrics()['PSNR']:.1f} dB")
        panels[i, 0].set_ylabel(name, fontsize="large")
    panels[0, j].set_title(f"{views} views")

top, bottom = curve.subplots(2, 1)
plotting.image(truth, axes=top, value_range=(0, 0.5))
top.set_title("the phantom")
for name, color, marker in zip(names, ("0.45", "tab:blue", "tab:orange"), "osD"):
    psnr = [solutions[views][name].metrics()["PSNR"] for views in counts]
    bottom.plot(counts, psnr, color=color, marker=marker, label=name)
bottom.set_xscale("log")
bottom.set_xticks(counts, counts)
bottom.minorticks_off()
bottom.set(xlabel="views", ylabel="PSNR (dB)")
bottom.grid(alpha=0.3)
bottom.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How to read it
#
# Go along a row first: more views, more data, fewer artefacts. Where a curve does not rise, look in the table which
# $\lambda$ or step was chosen: held-out rows are a noisy judge, and they judge predictions, not PSNR. Then go down a column: the data are the same, only
# the belief about the image changes. The difference down a column is what the prior contributes; look where along
# the curves it is large and where it is small.
#
# Three cautions before you conclude that one method is *the* best:
#
# * The phantom is piecewise constant, which is what TV assumes. A real organ is kinder to other priors.
# * The noise per view is the same in all four scans, so 120 views also have eight times the dose of 15.
# * We know sigma, the angles and the axis of rotation exactly. A real scan has none of that for free.

# %% [markdown]
# ## Exercises
#
# **1. Same dose, more views.** Let the total dose be fixed, so that more views mean noisier views. Write `answer_1(views)`: the
# standard deviation of one reading, `sigma` for 60 views.
#
# <details><summary>Hint</summary>
#
# Each view gets its share of the photons, and the noise of a reading grows like one over the root of its photons.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(views):
#     return sigma * (views / 60) ** 0.5
# ```
#
# </details>
#
# **2. How many are enough for FBP?** The formula wants neighbouring views no further apart than neighbouring bins, everywhere in the
# object. At its rim, 32 bins from the axis, how many views over half a turn does that take? Set `answer_2`, rounded up.
#
# <details><summary>Hint</summary>
#
# Two views are $\pi / \text{views}$ apart, and at the distance $\rho$ from the axis that is an arc of $\rho\, \pi / \text{views}$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_2 = int(32 * torch.pi) + 1
# ```
#
# </details>
#
# **To go on.** Use `answer_1(views)` wherever `sigma` stands in `reconstruct`: is there still a reason to take 120? Then solve the
# 15-view problem with $\lambda = 0$, 0.01, 0.1 and 1, choose by `solution.held_out()` and check with
# `solution.metrics()["PSNR"]`; `inverse_inr.selection.choose_weight` is the same idea with the one-standard-error rule. How much of
# the INR's result is the network, and how much is $R$? `prior="grid"` tells.

# %%
from exercises import check_03

answer_1 = None
answer_2 = None
check_03.first(answer_1, sigma)
check_03.second(answer_2)
