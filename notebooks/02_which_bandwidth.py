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
# # Which bandwidth?
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# The catalogue holds more than thirty ways to write $f_\theta$: sines, Gaussians, wavelets, tables, trees. Each has a
# number that sets how fast its field can wiggle, called $\omega_0$, $\sigma$, $s$, finest grid ... by its authors. It is
# the same knob in other units. Here all of them take `bandwidth`, in cycles per unit of length.
#
# We fill in an image of which 30 % of the pixels were measured and see that
#
# 1. the wrong bandwidth costs more than the wrong architecture,
# 2. the measurements themselves tell a good one.
#
# It takes about a minute on one CPU core.

# %%
import matplotlib.pyplot as plt
import torch
from skimage.data import camera
from skimage.transform import resize

import inverse_inr as ii
from inverse_inr import noise, operators, priors
from inverse_inr.stopping import HeldOut

torch.set_num_threads(1)

# %% [markdown]
# ## $A$ and $y$: some of the pixels
#
# $A$ looks at the field at the kept places and reports what it sees. The noise is 2 %.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
grid = ii.Grid(box, (64, 64))
image = torch.from_numpy(resize(camera(), (64, 64), anti_aliasing=True)).float()

kept = torch.randperm(grid.numel, generator=torch.Generator().manual_seed(0))[: int(0.3 * grid.numel)]
A = operators.PointSamples(grid.points().reshape(-1, 2)[kept])
sigma = 0.02
y = noise.Gaussian(sigma).sample(image.flatten()[kept], generator=torch.Generator().manual_seed(1))
problem = ii.Problem([ii.Term(A, y, noise.Gaussian(sigma))], box=box, grid=grid)
nyquist = priors.bandwidth_of(grid)
print(f"{len(A)} measurements of {grid.numel} pixels; the grid holds up to {nyquist:g} cycles per cm")

# %% [markdown]
# ## What a network draws before it has learnt anything
#
# Three architectures, untrained, at three bandwidths. Training bends these drawings until they fit; what the data do
# not say is left as the drawing was. So the drawing *is* the prior.

# %%
names, shares = ["siren", "gaussian", "wire"], [0.25, 1.0, 3.0]
figure, panels = plt.subplots(3, 3, figsize=(6.6, 6.8), layout="constrained")
for row, name in zip(panels, names, strict=True):
    for panel, share in zip(row, shares, strict=True):
        untrained = ii.sample(priors.create(name, box, bandwidth=share * nyquist), grid).detach()
        panel.imshow(untrained[..., 0], cmap="gray")
        panel.set(xticks=[], yticks=[], title=f"{name}, {share:g} Nyquist")

# %% [markdown]
# ## The knob matters more than the name
#
# Each architecture is fitted at six bandwidths. A tenth of the *measured* pixels is held out of every fit and says when
# to stop. The curve below shows the error on the pixels nobody measured, which we know only because we made the data.


# %%
def fill_in(name, bandwidth):
    """The field of this architecture and bandwidth that explains y, stopped by held-out measurements."""
    prior = priors.create(name, box, bandwidth=bandwidth, width=48)
    return ii.solve(problem, prior, steps=200, stopping=HeldOut(every=25, fraction=0.1), callbacks=[])


unmeasured = torch.ones(grid.numel, dtype=torch.bool)
unmeasured[kept] = False


def error(solution):
    """Root mean square error on the pixels that were not measured."""
    return float((solution.sample().flatten() - image.flatten())[unmeasured].square().mean().sqrt())


# %% [markdown]
# ## Asking the measurements
#
# Without the truth we cannot draw this curve. But each fit also has an error on the measured pixels it was *not* shown.
# The star is the bandwidth at which that held-out error is least: chosen by measurements alone.


# %% tags=["figure"]
bandwidths = [nyquist * 2.0**k for k in (-3, -2, -1, 0, 1, 2)]
fits = {name: [fill_in(name, b) for b in bandwidths] for name in names}
errors = {name: [error(fit) for fit in fits[name]] for name in names}
chosen = {name: min(range(len(bandwidths)), key=lambda k: fits[name][k].held_out()) for name in names}

figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
for name in names:
    (line,) = axes.semilogx([b / nyquist for b in bandwidths], errors[name], "o-", base=2, label=name)
    pick = chosen[name]
    axes.plot(bandwidths[pick] / nyquist, errors[name][pick], "*", markersize=18, color=line.get_color(),
              markeredgecolor="black")
axes.set(xlabel="bandwidth / Nyquist", ylabel="error on unmeasured pixels")
axes.set_title("Star: the bandwidth that held-out measurements choose")
axes.legend()

for name in names:
    best, worst, taken = min(errors[name]), max(errors[name]), errors[name][chosen[name]]
    print(f"{name:9s} best {best:.3f}, worst {worst:.3f}, chosen {taken:.3f}")

# %% [markdown]
# Along each curve the error changes by much more than from one curve's lowest point to another's. A comparison of
# architectures at one arbitrary $\omega_0$ each compares the arbitrary numbers.
#
# Six fits an architecture is little here and much for a large problem. `analysis.choose_bandwidth` (FreSh) compares
# spectra of *untrained* fields with that of a classical image instead and trains nothing; it wants measurements that
# cover the whole band, which scattered pixels do not: their holes look like detail. See docs/analysis.md.
#
# ## The pictures

# %%
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
seen = torch.full((grid.numel,), float("nan"))
seen[kept] = y
best = {name: fits[name][chosen[name]] for name in names}
shown = {"measured": seen.view(64, 64)}
shown |= {f"{name}, {error(fit):.3f}": fit.sample()[..., 0] for name, fit in best.items()}
for panel, (title, picture) in zip(panels, shown.items(), strict=True):
    panel.imshow(picture, cmap="gray", vmin=0, vmax=1)
    panel.set(xticks=[], yticks=[], title=title)

# %% [markdown]
# ## Exercises
#
# **1. What sets the best bandwidth?** Keep 10 % of the pixels, 409 places, instead of 30 %. A square lattice of as many
# places in this box could hold which frequency, in cycles per cm? Set `answer_1`, then repeat the notebook with 10 % and see
# whether the stars move there.
#
# <details><summary>Hint</summary>
#
# The box is 2 cm wide. The spacing of the lattice is $2 / \sqrt{409}$ cm, and two places make a wave.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_1 = 409**0.5 / (2 * 2)
# ```
#
# </details>
#
# **2. When held-out errors are level.** `scores` (bandwidths, groups) are held-out errors of groups of measurements, from the
# lowest bandwidth to the highest. Write `answer_2(scores)`, the index of the lowest bandwidth whose mean is not above the best mean
# by more than one standard error *of the difference* over groups.
#
# <details><summary>Hint</summary>
#
# Differences group by group: what all bandwidths find hard in a group is no evidence against one of them.
# `difference.std() / len(difference) ** 0.5`.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(scores):
#     best = int(scores.mean(1).argmin())
#     for k in range(best):
#         difference = scores[k] - scores[best]
#         if difference.mean() <= difference.std() / len(difference) ** 0.5:
#             return k
#     return best
# ```
#
# </details>
#
# **To go on.** Add `regularizers=[0.1 * ii.regularizers.TotalVariation()]` to `fill_in`. What happens to the curves at high bandwidth, and
# why is a regularised problem less sensitive to the knob?

# %%
from exercises import check_02

answer_1 = None
answer_2 = None
check_02.first(answer_1)
check_02.second(answer_2)
