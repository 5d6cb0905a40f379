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
# # What is a field, and why can a plain network not draw an edge?
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# A **field** $f$ is a function: it takes a position and returns the value there. An array of pixels is a list of values;
# a field can be asked anywhere, and so can its slope. Here every callable from points `(*s, 2)` to values `(*s, 1)` is
# one: a formula, an image with interpolation between its pixels, or a small network $f_\theta$ with numbers $\theta$.
#
# The simplest $A$ there is: look at the field at the pixels, and $y$ are the grey values seen there. No noise, no
# regularizer: how well can $f_\theta$ *be* this image after a few hundred steps? An edge is the hard part,
#
# $$\operatorname{sign}(x) = \tfrac{4}{\pi} \big(\sin \pi x + \tfrac13 \sin 3 \pi x + \tfrac15 \sin 5 \pi x + \dots\big)
# \quad \text{for } |x| < 1,$$
#
# because it takes waves of *every* frequency, and the fast ones weigh as much as $1/k$. Networks that differ only in how
# they treat a number, by `max(0, z)` or by `sin(z)`, differ enormously in the waves that they learn. Three things to see:
#
# 1. **Spectral bias.** A plain network, of `max(0, z)` (ReLU), learns slow waves first and fast ones, in practice, never.
# 2. **The cure** is to let the first layer, or every layer, wiggle: Fourier features, sines, wavelets, tables.
# 3. **A picture is not all.** The slopes of the field, and the slopes of the slopes, tell networks apart that draw the
#    same picture. Where $A$ contains a derivative, or $R$ does, that decides.
#
# It takes about a minute on one CPU core.

# %%
import matplotlib.pyplot as plt
import torch
from skimage.data import camera
from skimage.transform import resize

import inverse_inr as ii
from inverse_inr import fidelity, metrics, operators, priors
from inverse_inr.stopping import Never

torch.set_num_threads(1)

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0))
grid = ii.Grid(box, (96, 96))
image = torch.from_numpy(resize(camera()[:400, 60:460], (96, 96), anti_aliasing=True)).float()

A = operators.PointSamples(grid.points().reshape(-1, 2))
y = image.flatten()
problem = ii.Problem([ii.Term(A, y, fidelity.L2())], box=box, grid=grid)

# %% [markdown]
# ## Which waves are learnt, and when
#
# The error of a fit is an image too, so it has a spectrum: how much of the true wave of each frequency is still
# missing. We watch it during the fit. Frequencies are in cycles per image; the grid holds 48.
#
# All get the same number of steps and have 30 000 to 66 000 numbers to learn, several for each of the 9216 pixels.
# `bandwidth` is set for all of them to half of what the grid can hold.

# %%
frequency = torch.fft.fftfreq(96, 1 / 96)
ring = torch.hypot(frequency[:, None], frequency[None, :]).round().long().clamp(max=48)


def rings(power):
    """Sums of an image's power spectrum over rings of equal frequency, 0 to 47."""
    return torch.zeros(49).index_add(0, ring.flatten(), power.flatten())[:48]


target = rings(torch.fft.fft2(image).abs().square())


class MissingWaves:
    """After every check: the share of each frequency's power that the fit has wrong."""

    def __init__(self):
        self.steps, self.missing = [], []

    def __call__(self, solver, record):
        with torch.no_grad():
            fit = ii.sample(solver.prior, grid)[..., 0]
        self.steps.append(solver.step_number)
        self.missing.append((rings(torch.fft.fft2(fit - image).abs().square()) / target).clamp(max=1))


names = ["relu", "fourier", "siren", "gaussian", "wire", "hash"]
bandwidth = priors.bandwidth_of(grid) / 2
fits, waves = {}, {}
for name in names:
    waves[name] = MissingWaves()
    prior = priors.create(name, box, bandwidth=bandwidth, seed=0)
    fits[name] = ii.solve(problem, prior, steps=400, batch=2304, regularizers=[], stopping=Never(every=20),
                          callbacks=[waves[name]])
    psnr = metrics.psnr(fits[name].sample()[..., 0], image, data_range=1.0)
    print(f"{name:10s} {prior.parameter_count:7d} numbers   {psnr:5.1f} dB   {fits[name].seconds:4.1f} s")

# %% [markdown]
# Above, the waves. Below, an edge: the grey values along one row of the image, from the coat across the leg of the tripod
# to the grass.

# %% tags=["figure"]
ROW = 60
figure, panels = plt.subplots(2, len(names), figsize=(13, 5.2), layout="constrained", sharey="row")
for (above, below), name in zip(panels.T, names):
    missing = torch.stack(waves[name].missing)
    shown = above.imshow(missing.T, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=1, extent=(0, 400, 0, 48))
    above.set(title=name, xlabel="step")
    below.plot(image[ROW], color="0.6", lw=3, label="the image")
    below.plot(fits[name].sample()[ROW, :, 0], color="tab:blue", lw=1.2, label="the field")
    below.set(xlabel="pixel", xlim=(35, 75), ylim=(-0.1, 1.3))
panels[0, 0].set_ylabel("cycles per image")
panels[1, 0].set_ylabel(f"grey value in row {ROW}")
panels[1, 0].legend(frameon=False, fontsize="small", loc="upper left")
figure.colorbar(shown, ax=panels[0], label="power still missing")
plt.show()

# %% [markdown]
# Dark is done. The ReLU network's dark region creeps up from zero and all but stops: that is spectral bias, and more steps
# buy little. Everyone learns slow waves first, but sines and Fourier features climb to their bandwidth (24) within the
# 400 steps, Gaussians and wavelets are on their way, and the hash table, whose finest level has a number for nearly
# every pixel, learns all waves almost at once.
#
# Below is what that means for an edge: without the fast waves the coat ends in a ramp, and the leg of the tripod, two or three
# pixels wide, is not there at all. No edge needs *infinitely* many waves here: pixels hold 48.
#
# ## Slopes
#
# The field of a network is a formula, so its derivatives are exact and cost one more pass:
# `operators.Gradient(grid)` and `operators.Laplacian(grid)` look at any field. Beside them stand the differences of the
# true pixels. Nobody told the networks about slopes; this is what they *imply* between the pixels.

# %%
slope, bend = operators.Gradient(grid), operators.Laplacian(grid)
h = grid.spacing[0]
true_slope = torch.stack(torch.gradient(image, spacing=h), -1).norm(dim=-1)
inner = image[1:-1, 1:-1]
true_bend = (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:] - 4 * inner) / h**2

rows = {"the image": (image, true_slope, torch.nn.functional.pad(true_bend, (1, 1, 1, 1)))}
for name in names:
    field = fits[name].field
    with torch.no_grad():
        pictures = [fits[name].sample()[..., 0], ii.predict(slope, field).norm(dim=-1).reshape(96, 96)]
    try:
        with torch.no_grad():
            pictures.append(ii.predict(bend, field).reshape(96, 96))
    except TypeError as refusal:  # a field without second derivatives says so, instead of returning zeros
        print(f"{name}: {refusal}\n")
        pictures.append(None)
    rows[name] = pictures

# %%
figure, panels = plt.subplots(3, len(rows), figsize=(13, 5.9), layout="constrained")
scales = [(0, 1), (0, float(true_slope.quantile(0.99))), tuple(float(true_bend.quantile(q)) for q in (0.01, 0.99))]
for column, (name, pictures) in zip(panels.T, rows.items()):
    column[0].set_title(name)
    for axes, picture, (low, high) in zip(column, pictures, scales):
        axes.set(xticks=[], yticks=[])
        if picture is None:
            axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
            axes.spines[:].set_visible(False)
        else:
            axes.imshow(picture, cmap="gray", vmin=low, vmax=high)
for axes, label in zip(panels[:, 0], ("f", "|∇f|", "Δf")):
    axes.set_ylabel(label, fontsize="large")
plt.show()

# %% [markdown]
# ## How to read it
#
# Look down a column. A good picture with a noisy Laplacian is a field that swings between the pixels, where nothing was
# measured: its bandwidth is larger than the data can pin down. A flat or missing Laplacian is a field that cannot serve
# where the physics has second derivatives (`notebooks/12_solving_without_a_grid`): ReLU networks and linear tables have
# none, and the library refuses rather than differentiate a kink.
#
# Two cautions. PSNR at the pixels is *capacity*, not reconstruction: with noise, or with pixels missing, the network
# that fits best is not the one that predicts best (`notebooks/02_which_bandwidth`). And 400 steps favour
# those that learn fast; the order is not the same at 10 000.

# %% [markdown]
# ## Exercises
#
# **1. A field of your own.** Write `answer_1(x)`: a disc of radius 0.5 around the origin, 1 inside and 0 outside. It takes
# points (*s, 2) in the unit of the box and returns values (*s, 1) of the same precision.
#
# <details><summary>Hint</summary>
#
# `x.norm(dim=-1, keepdim=True)` keeps the last axis. `ii.sample(answer_1, grid)` shows it.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(x):
#     return (x.norm(dim=-1, keepdim=True) < 0.5).to(x.dtype)
# ```
#
# </details>
#
# **2. How many waves does an edge take?** A network has learnt all waves of the step at the top of this notebook up to the
# frequency $k$ (in half turns, so $k$ is odd), and none above. How large must $k$ be, so that less than 1 % of the step's
# power is missing? Set `answer_2` to the least such $k$.
#
# <details><summary>Hint</summary>
#
# The wave $k$ has the amplitude $4 / \pi k$ and the power $8 / (\pi k)^2$. All together have the power 1.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# k = torch.arange(1, 1000, 2, dtype=torch.float64)
# missing = 1 - (8 / (torch.pi * k) ** 2).cumsum(0)
# answer_2 = int(k[missing < 0.01][0])
# ```
#
# </details>
#
# **To go on.** Fit `siren` with `bandwidth` at 1/8, 1/4, 1/2 and 1 times the grid's: where does the dark region end (the box is
# 2 wide, so multiply by 2), and what happens to the Laplacian? Then make $A$ the gradient, `operators.Gradient(grid)`, and fit
# the slopes of the image and one pixel, never a grey value. Which networks can do it?

# %%
from exercises import check_01

answer_1 = None
answer_2 = None
check_01.first(answer_1)
check_01.second(answer_2)
