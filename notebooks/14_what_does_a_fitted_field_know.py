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
# # What does a fitted field know?
#
# $$\theta_0 \;\text{ minimises }\; \sum_{\text{tasks } t} D\big(f^{\text{labels}}_{\theta_t},\, \ell_t\big) + D\big(f^{\text{intensity}}_{\theta_t},\, y_t\big),
# \qquad \theta_t = \theta_0 - \alpha \odot \nabla_\theta D\big(f^{\text{intensity}}_{\theta_0},\, y_t\big) - \dots$$
#
# A field that was fitted to an image *is* the image, and a little more. Its start knew what such images look like, so its
# weights say how this one differs. Here we read three things from fitted fields:
#
# 1. **labels**: a network with two heads is fitted to intensities alone, and the head of labels follows (MetaSeg),
# 2. **classes**: weights tell shapes apart, but only if all fits began at one point,
# 3. **quality**: the slopes of a reference's field say how far another image is from it (INRIQ).
#
# It takes about a minute on one CPU core.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

from inverse_inr import families, reading
from inverse_inr.metrics import dice

torch.set_num_threads(1)
SIDE = 24

# %% [markdown]
# ## Cells with a nucleus, and debris that looks like one
#
# Each image has a cell (label 1) with a nucleus (label 2). Outside lies debris as bright as a nucleus: it is background.
# No threshold tells the two apart.

# %%
axis = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
X, Y = torch.meshgrid(axis, axis, indexing="ij")


def cell(seed):
    """An image of a cell with noise, and its labels."""
    draw = np.random.default_rng(seed)
    x, y = draw.uniform(-0.25, 0.25, 2)
    a, b, turn = draw.uniform(0.45, 0.6), draw.uniform(0.35, 0.45), draw.uniform(0, math.pi)
    u = math.cos(turn) * (X - x) + math.sin(turn) * (Y - y)
    v = -math.sin(turn) * (X - x) + math.cos(turn) * (Y - y)
    labels = torch.zeros(SIDE, SIDE, dtype=torch.long)
    labels[(u / a) ** 2 + (v / b) ** 2 < 1] = 1
    labels[((u - draw.uniform(-0.15, 0.15)) / 0.2) ** 2 + (v / 0.17) ** 2 < 1] = 2
    image = torch.tensor([0.0, 0.5, 1.0])[labels]
    angle = draw.uniform(0, 2 * math.pi)
    debris = (X - 0.8 * math.cos(angle)) ** 2 + (Y - 0.8 * math.sin(angle)) ** 2 < 0.15**2
    image[debris & (labels == 0)] = 1.0
    return image + 0.05 * torch.tensor(draw.standard_normal((SIDE, SIDE))).float(), labels


seen = [cell(seed) for seed in range(60)]
fresh = [cell(1000 + seed) for seed in range(12)]

# %% [markdown]
# ## Labels
#
# `Segmenter` puts both heads on one trunk. Sixty labelled cells teach the start and the step sizes; the inner loop sees
# intensities alone. At a fresh cell two steps fit the intensities, and the labels are read.

# %% tags=["figure"]
options = {"width": 48, "depth": 2, "omega0": 20.0}
segmenter = reading.Segmenter(families.MetaLearned("siren", options, inner_steps=2), classes=3)
problems = reading.image_problems([image for image, _ in seen])
segmenter = reading.train_segmenter(
    segmenter, problems, [labels for _, labels in seen], steps=400, lr=3e-3, seed=0, callbacks=[]
)
unseen = reading.image_problems([image for image, _ in fresh])
truths = torch.stack([labels for _, labels in fresh])


def nucleus(found):
    """Dice of the nuclei of all fresh cells together."""
    return float(dice(found, truths, classes=3)[2])


read = torch.stack([segmenter.labels(p) for p in unseen])
threshold = torch.stack([(image[..., None] - torch.tensor([0.0, 0.5, 1.0])).abs().argmin(-1) for image, _ in fresh])
print(f"Dice of nuclei: two steps {nucleus(read):.2f}, thresholds {nucleus(threshold):.2f}")
assert nucleus(read) > nucleus(threshold)

figure, panels = plt.subplots(2, 5, figsize=(9.5, 4.2), layout="constrained")
for row, k in zip(panels, (0, 1), strict=True):
    shown = {
        "image": fresh[k][0],
        "thresholds": threshold[k],
        "labels, 1 step": segmenter.labels(unseen[k], steps=1),
        "labels, 2 steps": read[k],
        "truth": truths[k],
    }
    for panel, (title, picture) in zip(row, shown.items(), strict=True):
        panel.imshow(picture, cmap="gray" if title == "image" else "viridis", vmin=0, vmax=1 if title == "image" else 2)
        panel.set(xticks=[], yticks=[], title=title)

# %% [markdown]
# The debris is as bright as a nucleus, and is background: the trunk knows where a nucleus can be. A convolutional encoder
# (`reading.iosnet`) needs fewer steps of training on such images, and is ahead in docs/reading.md. What is special here is
# that the labels come from a *fit*: any operator will do in place of pixels, X-rays for example.
#
# ## Classes
#
# Discs and squares of the same area at random places. `fit_many` fits all from one start. We ask whether the weights of
# one shape are nearer to the mean of its own class, and do the same with fits that began at different random weights.


# %%
def shape(seed):
    """A disc (class 0) or a square (class 1)."""
    draw = np.random.default_rng(seed)
    x, y = draw.uniform(-0.15, 0.15, 2)
    kind = seed % 2
    if kind:
        inside = torch.maximum((X - x).abs(), (Y - y).abs()) < 0.443
    else:
        inside = (X - x) ** 2 + (Y - y) ** 2 < 0.25
    return inside.float(), kind


shapes = [shape(seed) for seed in range(60)]
classes = np.array([kind for _, kind in shapes])
fits = reading.image_problems([image for image, _ in shapes])
small = {"width": 24, "depth": 2, "omega0": 10.0}
together = reading.weight_features(families.fit_many(fits, options=small, steps=100, lr=1e-3, seed=0))
alone = [families.fit_many([p], options=small, steps=100, lr=1e-3, seed=k)[0] for k, p in enumerate(fits)]
apart = reading.weight_features(alone)


def recognised(features):
    """Fraction of the last 30 that are nearer to the mean of their own class among the first 30."""
    means = np.stack([features[:30][classes[:30] == k].mean(0) for k in (0, 1)])
    told = np.linalg.norm(features[30:, None] - means, axis=-1).argmin(1)
    return float((told == classes[30:]).mean())


print(f"recognised by weights: one start {recognised(together):.2f}, many starts {recognised(apart):.2f}")

# %% [markdown]
# Units of a network can be exchanged without any change of its field, so that weights of two random starts have nothing to
# do with each other. From one start the same unit means the same thing in all fits.
#
# ## Quality
#
# `QualityGauge` fits a field to a reference, to a residual that is always the same. An image is far from it where the
# gradients of its misfit are large along parameters that the reference left alone.

# %%
gauge = reading.QualityGauge(fresh[0][0], options={"width": 48, "depth": 2}, residual=0.02, seed=0)
strengths = [0.02, 0.05, 0.1, 0.2, 0.4]
noise = torch.tensor(np.random.default_rng(0).standard_normal((SIDE, SIDE))).float()
distances = [gauge.distance(fresh[0][0] + s * noise) for s in strengths]
assert distances == sorted(distances)
figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
axes.semilogx(strengths, distances, "o-")
axes.set(xlabel="standard deviation of added noise", ylabel="distance", title="More noise is farther away")

# %% [markdown]
# ## Exercises
#
# **1. Renumber the units.** How often are shapes recognised by fits from many starts when their hidden units are renumbered first? Set
# `answer_1` to the features of `alone`, aligned; `recognised(answer_1)` says how often.
#
# <details><summary>Hint</summary>
#
# `reading.weight_features(..., align=True)`.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_1 = reading.weight_features(alone, align=True)
# ```
#
# </details>
#
# **2. Finer than it was taught.** The labels were learnt for cells of 24 x 24 pixels, but a field can be asked anywhere. Set `answer_2` to the
# labels of `unseen[0]` on a grid of four times as many pixels an axis.
#
# <details><summary>Hint</summary>
#
# `grid=` of `segmenter.labels`; `unseen[0].grid.box` is the box.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# import inverse_inr as ii
#
# answer_2 = segmenter.labels(unseen[0], grid=ii.Grid(unseen[0].grid.box, (4 * SIDE, 4 * SIDE)))
# ```
#
# </details>

# %%
from exercises import check_14

answer_1 = None
answer_2 = None
check_14.first(answer_1, apart)
check_14.second(answer_2, read[0])
