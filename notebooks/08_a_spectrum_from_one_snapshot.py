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
# # A spectrum from one snapshot
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# A camera that records the spectrum of every pixel usually scans: one wavelength, or one line, after the other. A
# *coded-aperture snapshot spectral imager* (CASSI) takes one monochrome exposure. A mask of open and closed cells lies
# on the scene; behind it a prism moves each wavelength a little further to the side; the detector adds them up:
#
# $$y(i, u) = \sum_l M(i, u - d_l)\, f(i, u - d_l, \lambda_l) + \text{noise}$$
#
# | letter | in words | in the code |
# |---|---|---|
# | $f_\theta$ | brightness at a place and a wavelength | `prior="separable"` |
# | $A$ | mask $M$, dispersion $d_l$, sum | `operators.CASSI` |
# | $y$ | one picture, a little wider than the scene | `y` |
# | $R$ | edges cost little where all bands share them | `operators.BandTotalVariation` |
#
# The picture has some seven times fewer numbers than the cube. What fills in the rest is what we believe about cubes.
#
# It takes about half a minute on one CPU core.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import noise, operators
from inverse_inr.operators.spectral.dispersion import steps
from inverse_inr.problems.spectral.cassi import suggestion
from inverse_inr.problems.spectral.gap_tv import gap_tv
from inverse_inr.problems.spectral.data import photograph
from inverse_inr.problems.spectral.scenes import spectral_scene

torch.set_num_threads(1)

# %% [markdown]
# ## The scene
#
# A photograph tells three numbers a pixel. We paint it with 24 made-up pigments, each with a reflectance at *every*
# wavelength; the scene is a field on $(x, y, \lambda)$, and has a truth between the camera's bands too.

# %%
size, bands = 96, 8
box = ii.Box((0.0, 0.0, 450.0), (size, size, 650.0), units=("px", "px", "nm"))
scene = spectral_scene(photograph("astronaut", size), box)

wavelengths = 450 + 200 * (torch.arange(bands, dtype=torch.float64) + 0.5) / bands
mask = (torch.rand(size, size, generator=torch.Generator().manual_seed(1)) < 0.5).float()
camera = operators.CASSI(box, mask, wavelengths, dispersion=steps(wavelengths, 2.0))  # two pixels further each band
grid = camera.bands  # (96, 96, 8): the cube that this camera adds up
A = camera.on(grid)

truth = ii.sample(scene, grid)[..., 0]
mean = A.snapshot(truth)
sigma = 0.01 * float(mean.max())
y = noise.Gaussian(sigma).sample(mean, generator=torch.Generator().manual_seed(0))
print(f"{y.numel()} numbers measured for {truth.numel()} unknown ones")

# %%
figure, (a, b, c) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
a.imshow(operators.render_srgb(truth, wavelengths).numpy())
a.set_title("the scene, as an eye sees it")
b.imshow(mask, cmap="gray")
b.set_title("the mask M")
c.imshow(y, cmap="gray")
c.set_title("the snapshot y")
for axes in (a, b, c):
    axes.set(xticks=[], yticks=[])
plt.show()

# %% [markdown]
# ## Two beliefs
#
# **GAP-TV**, the classical method: the cube that explains $y$ exactly and whose bands have little total variation. It
# treats the bands as 8 separate images. Here its strength is even chosen by the truth.
#
# **Separable INR**: $f_\theta(x, y, \lambda) = \sum_{pqr} c_{pqr}\, u_p(x)\, v_q(y)\, w_r(\lambda)$ with three small sine
# networks for $u, v, w$. Four functions $w_r$ must do for all spectra: the belief is that the scene has few materials
# and that each has a smooth spectrum; brightness cannot be negative (`softplus`). On a lattice it costs three network
# calls of 96, 96 and 8 points. The penalty $R$ is the total variation of all bands *together*: where one has an edge,
# another's costs little.
#
# `suggestion` fills in what suits such a snapshot: how many functions, how fast their sines, the weight of the penalty.

# %%
term = ii.Term(A, y.flatten(), noise.Gaussian(sigma))
problem = ii.Problem([term], box, grid, reference=scene, suggested=suggestion(term, grid), average=1)
print(problem.suggested.prior, problem.suggested.options)
classic = gap_tv(problem, "oracle", iterations=80)
learnt = ii.solve(problem, callbacks=[])
for solution in (classic, learnt):
    print(f"{solution.method:16s} {solution.metrics()['PSNR']:.1f} dB in {solution.seconds:.0f} s")

# %% [markdown]
# ## What came back
#
# Above, colours rendered from the cubes. Below, the spectra of three places: dashed the truth, at every wavelength; dots
# the bands of GAP-TV; lines the field, which can be asked *between* the bands as well.

# %% tags=["figure"]
fine = torch.linspace(452, 648, 99)
places = {"skin": (26, 46), "suit": (60, 20), "flag": (22, 4)}
cubes = {"truth": truth, "GAP-TV": classic.sample()[..., 0], "separable INR": learnt.sample()[..., 0]}
figure, panels = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained", height_ratios=[1.5, 1])
for axes, (name, cube) in zip(panels[0], cubes.items()):
    axes.imshow(operators.render_srgb(cube, wavelengths).numpy())
    axes.set(title=name, xticks=[], yticks=[])
    for place in places.values():
        axes.plot(place[1], place[0], "o", color="white", mec="black", ms=5)
for axes, (name, (i, j)) in zip(panels[1], places.items()):
    points = torch.stack([torch.full_like(fine, i + 0.5), torch.full_like(fine, j + 0.5), fine], -1)
    with torch.no_grad():
        axes.plot(fine, scene(points)[:, 0], "k--", label="truth")
        axes.plot(fine, learnt.field(points)[:, 0], color="tab:orange", label="separable INR")
    axes.plot(wavelengths, cubes["GAP-TV"][i, j], "o", color="tab:blue", ms=4, label="GAP-TV")
    axes.set(title=f"spectrum: {name}", xlabel="wavelength (nm)")
panels[1, 1].legend(frameon=False, loc="lower right")
plt.show()

# %% [markdown]
# ## How to read it
#
# Nothing in the network knows that spectra of *paints* are smooth, only that few smooth functions must do for all of
# them. Where the scene has a material that these cannot make, the spectrum is wrong and looks plausible: a smooth
# curve is no evidence of a right one. The held-out detector pixels (`learnt.held_out()`, 0.5 would be noise alone) tell
# how much of the snapshot is left unexplained.
#
# The data were simulated with the same sum over bands that explains them. A real camera integrates over wavelengths,
# blurs, and its mask is known only from a calibration; `problems/cassi_real.toml` meets those.

# %% [markdown]
# ## Exercises
#
# **1. The camera by hand.** Write the equation at the top as `answer_1(cube, mask, step)`: a cube (h, w, bands), a mask (h, w), band $l$
# moved by `l * step` columns to the right. It returns the snapshot (h, w + (bands - 1) * step).
#
# <details><summary>Hint</summary>
#
# A slice of the snapshot, `y[:, l * step : l * step + w]`, gets the masked band added.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(cube, mask, step):
#     h, w, count = cube.shape
#     y = torch.zeros(h, w + (count - 1) * step)
#     for l in range(count):
#         y[:, l * step : l * step + w] += mask * cube[..., l]
#     return y
# ```
#
# </details>
#
# **2. Right colour, wrong brightness.** The *spectral angle* compares spectra whatever the light: the angle between two vectors of
# bands. Write `answer_2(found, truth)` for cubes (h, w, bands): (h, w) angles in degrees.
#
# <details><summary>Hint</summary>
#
# $\cos = a \cdot b / |a|\,|b|$; clamp it to 1 before the arc cosine, rounding may lead beyond.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(found, truth):
#     cosine = (found * truth).sum(-1) / (found.norm(dim=-1) * truth.norm(dim=-1))
#     return torch.rad2deg(torch.acos(cosine.clamp(-1, 1)))
# ```
#
# </details>
#
# **To go on.** How many materials? `options = problem.suggested.options | {"rank": [24, 24, r]}` for r = 1, 2, 4, 8, and
# `ii.solve(problem, ii.priors.create("separable", box, **options))`; choose by `solution.held_out()`. Take two snapshots with two masks,
# two `Term`s of one problem: worth more than one with half the noise? And with `sigma = 0.001 * float(mean.max())`, bring the field to
# the snapshot: `from inverse_inr.problems.spectral.refinement import refined`, then `refined(learnt)`.

# %%
from exercises import check_08

answer_1 = None
answer_2 = None
check_08.first(answer_1)
check_08.second(answer_2)
