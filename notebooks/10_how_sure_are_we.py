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
# # How sure are we?
#
# $$P(\theta \mid y) \;\propto\; e^{-n D(A(f_\theta),\, y)}\, P(\theta), \qquad
# P\big(|f_{\hat\theta}(x) - f(x)| \le \text{half-width}(x)\big) \;\overset{?}{=}\; 90\,\%$$
#
# A reconstruction looks just as sharp where nothing was measured. An honest answer is a band: a half-width for each pixel
# in which the truth lies as often as we say. There are many ways to make such maps, and few ways to know that one is
# right. We
#
# 1. compute a standard deviation for each pixel, from how the measurements pin down the parameters,
# 2. find that it is far too small,
# 3. mend it with problems whose truth is known, and check it on others,
# 4. ask what the map is worth: is it better than the same band everywhere?
#
# It takes about half a minute on one CPU core.

# %%
import math

import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import noise, operators, phantoms, plotting, priors, uncertainty
from inverse_inr.stopping import HeldOut

torch.set_num_threads(1)

# %% [markdown]
# ## A family of problems
#
# Five blobs at random places, ten views of them. To speak of probability we need more than one problem: what is random is
# which blobs we meet, and the noise. Twelve problems will *calibrate*, twelve others will *test*.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
grid = ii.Grid(box, (24, 24))
A = operators.ParallelBeam(box, torch.arange(10) * torch.pi / 10, detectors=24, subrays=1).on(grid)
D = noise.Gaussian(0.02)


def scan(seed):
    """One member of the family, with its truth as the reference."""
    truth = phantoms.gaussian_blobs(box, count=5, width=0.12, seed=seed)
    y = D.sample(ii.predict(A, truth), torch.Generator().manual_seed(seed))
    return ii.Problem([ii.Term(A, y, D)], box, grid, reference=truth)


def found(seed):
    """The error of a fit, and one standard deviation that it states, (24, 24) each; and the image."""
    problem = scan(seed)
    prior = priors.create("hash", box, bandwidth=priors.bandwidth_of(grid) / 2, seed=0)
    fit = ii.solve(problem, prior, regularizers=[], steps=150, stopping=HeldOut(fraction=0.1, every=10), callbacks=[])
    deviation = uncertainty.linearised(fit, parameters="last").deviation()
    image = fit.sample()
    return (image - ii.sample(problem.reference, grid))[..., 0], deviation[..., 0], image[..., 0]


# %% [markdown]
# ## A standard deviation from one fit
#
# The last layer of the network is linear: $f = \sum_k w_k\, \varphi_k(x)$ with features $\varphi_k$ that we hold fixed. For
# Gaussian noise the posterior of $w$ is then Gaussian as well, and its covariance says how far $f(x)$ can be moved without
# being contradicted by the measurements. That is `uncertainty.linearised(fit, parameters="last")`.

# %%
known = [found(seed) for seed in range(12)]
unseen = [found(seed) for seed in range(100, 112)]
levels = torch.linspace(0.05, 0.99, 30)


def coverage(results, factor):
    """How often |error| is within `factor` stated deviations, over all pixels."""
    inside = [(error.abs() <= factor * deviation).float().mean() for error, deviation, _ in results]
    return float(torch.stack(inside).mean())


def z(level):
    """Within so many standard deviations lies this share of a normal distribution."""
    return math.sqrt(2) * float(torch.erfinv(torch.as_tensor(level)))


print(f"of 90 % promised, {100 * coverage(known, z(0.9)):.0f} % lie within {z(0.9):.2f} standard deviations")

# %% [markdown]
# That is far too few. The formula believed three things: that the features are right, that the field is a sum of them, and
# that the fit is at the bottom of its valley. The noise is the smallest part of the error here; most of it is what ten
# views do not say.
#
# ## Mending it
#
# **Conformal** calibration does not ask why. Each pixel of each known problem has a score, |error| / deviation. Sort all $n$ of
# them; the $\lceil 0.9\,(n + 1) \rceil$-th is the factor. If a new problem is drawn like the known ones, its pixels' scores
# are too, so that nine of ten fall below: whatever the deviations are, right or nonsense. We also calibrate the dullest
# band of all, one width everywhere.

# %%
errors, deviations = [k[0] for k in known], [k[1] for k in known]
factor = uncertainty.conformal(errors, deviations, level=0.9)
width = uncertainty.conformal(errors, level=0.9)
each = torch.tensor([coverage([result], factor) for result in unseen])
half = float(torch.stack([factor * deviation for _, deviation, _ in unseen]).mean())
flat = float(torch.stack([(error.abs() <= width).float().mean() for error, _, _ in unseen]).mean())
print(f"factor {factor:.1f} in place of {z(0.9):.2f}")
print(f"map:       {100 * float(each.mean()):.0f} % of unseen pixels inside (from {100 * float(each.min()):.0f} to "
      f"{100 * float(each.max()):.0f} % in single problems), mean half-width {half:.3f}")
print(f"one width: {100 * flat:.0f} %, half-width {width:.3f}")

# %% [markdown]
# On average over problems the promise is kept. In a *single* problem it is not: what is guaranteed is the mean. Whoever
# needs "in nine of ten scans" has to calibrate that (`exchangeable="problems"`), and needs more known problems.
#
# ## What the map is worth
#
# Take the pixels of least deviation first. If deviations rank pixels well, few errors are among them.

# %% tags=["figure"]
error, deviation, image = unseen[2]
figure = plt.figure(figsize=(11, 5.6), layout="constrained")
top, bottom = figure.subfigures(2, 1)
panels = top.subplots(1, 4)
shown = {"what was found": image, "|error|": error.abs(), "half-width at 90 %": factor * deviation}
largest = float(torch.stack([error.abs(), factor * deviation]).quantile(0.99))
for axes, (name, picture) in zip(panels, shown.items()):
    limits = (0, float(image.max())) if name == "what was found" else (0, largest)
    plotting.image(picture[..., None], axes=axes, value_range=limits, title=name)
inside = (error.abs() <= factor * deviation).float()
plotting.image(inside[..., None], axes=panels[3], value_range=(0, 1), title="white: inside the band")

left, right = bottom.subplots(1, 2)
left.plot([0, 1], [0, 1], color="0.6", ls=":", label="as promised")
left.plot(levels, [coverage(unseen, z(level)) for level in levels], color="tab:red", label="as stated by the fit")
calibrated = [coverage(unseen, uncertainty.conformal(errors, deviations, level=float(level))) for level in levels]
left.plot(levels, calibrated, color="tab:blue", label="after calibration")
left.set(xlabel="promised", ylabel="inside, unseen problems")
left.legend(frameon=False)
for stated, color, name in (("deviation", "tab:blue", "the stated deviation"), ("error", "0.6", "the error itself")):
    curves = []
    for e, d, _ in unseen:
        order = (d if stated == "deviation" else e.abs()).flatten().argsort()
        curves.append(e.abs().flatten()[order].cumsum(0) / torch.arange(1, e.numel() + 1))
    right.plot(torch.linspace(0, 1, grid.numel), torch.stack(curves).mean(0), color=color, label=f"sorted by {name}")
mean_error = float(torch.stack([e.abs().mean() for e, _, _ in unseen]).mean())
right.axhline(mean_error, color="tab:red", ls=":", label="in random order")
right.set(xlabel="share of the pixels that is kept", ylabel="mean |error| of those")
right.legend(frameon=False)
plt.show()

# %% [markdown]
# ## How to read it
#
# Left: the red curve is what a user would have believed. Right: blue between grey (a perfect ranking) and red (none) says
# that large deviations do lie where large errors are. That is what makes a map worth more than one width.
#
# * The factor holds for problems *like the known ones*. For a head, or for five views, it says nothing.
# * A real scan has no truth. Simulated problems of the same kind calibrate as far as the simulation is like the scanner.
# * An ensemble of fits (`uncertainty.ensemble`) sees what the data leave to chance, but not what all its members get wrong
#   alike. The comparison is on the page docs/uncertainty.md.

# %% [markdown]
# ## Exercises
#
# **1. The factor by hand.** Write `answer_1(scores, level)`: of $n$ scores (a tensor in any order) the
# $\lceil (n + 1) \cdot \text{level} \rceil$-th smallest; infinity if there are too few.
#
# <details><summary>Hint</summary>
#
# Nine scores are too few for 95 %: the tenth smallest of nine does not exist. That is no detail: it is what makes the
# promise true for every $n$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(scores, level):
#     place = math.ceil((len(scores) + 1) * level)
#     if place > len(scores):
#         return math.inf
#     return float(scores.sort().values[place - 1])
# ```
#
# </details>
#
# **2. How many known problems?** To promise 95 % for a new *problem*, not for a pixel, each known problem gives one score.
# How many are needed at least, for a factor that is finite? Set `answer_2`.
#
# <details><summary>Hint</summary>
#
# The place must exist: $\lceil 0.95\,(n + 1) \rceil \le n$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_2 = next(n for n in range(1, 100) if 0.95 * (n + 1) <= n + 1e-9)
# ```
#
# </details>

# %%
from exercises import check_10

answer_1 = None
answer_2 = None
check_10.first(answer_1)
check_10.second(answer_2)
