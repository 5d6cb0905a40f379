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
# # From k-space to an image
#
# An MRI scanner never sees the body. Each of its receive coils measures samples of a Fourier transform,
#
# $$y_c(k) = \int s_c(x)\, f(x)\, e^{-2\pi i\, k \cdot x}\, dx \;+\; \text{noise},$$
#
# of the magnetisation $f$ times the coil's own sensitivity $s_c$. Samples cost time, so we want few; then coils must
# fill the gaps. And nobody tells us the $s_c$. We solve for both,
#
# $$\text{minimise over } \theta, s: \quad D\big(A_s(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta).$$
#
# | letter | in words | in the code |
# |---|---|---|
# | $f_\theta$ | the image: a real function of position | `prior="grid"`, a value a pixel |
# | $s$ | coil sensitivities: smooth complex fields | `operators.LearnedCoils` |
# | $A_s$ | Fourier transform at the sampled $k$, through the coils | `operators.CartesianKSpace(grid, mask, coils)` |
# | $D$ | how badly $A_s(f_\theta)$ explains $y$ | `noise.ComplexGaussian(sigma)` |
# | $R$ | total variation | `regularizers.TotalVariation(grid=grid)`, or `"patches"` |
#
# Everything runs on one CPU core in about a minute.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import operators, phantoms, plotting
from inverse_inr.problems.kspace import kspace
from inverse_inr.problems.kspace.simulated import sense, tv_sense, zero_filled

torch.set_num_threads(1)

# %% [markdown]
# ## Data without a grid
#
# The Fourier transform of an ellipse is a Bessel function, so the phantom's k-space is known *at every* $k$. With
# coils it stays closed: write a sensitivity as a short Fourier series, $s_c(x) = \sum_q a_{cq} e^{2\pi i q \cdot x}$,
# and each term only shifts the transform, $y_c(k) = \sum_q a_{cq}\, \hat f(k - q)$. No pixel was used to make the data
# that pixels will explain. The number printed is what pixels would have done to them: a Fourier sum over pixel values
# against the integral.

# %%
box = ii.Box((-1.0, -1.0), (1.0, 1.0), units=("cm", "cm"))
grid = ii.Grid(box, (80, 80))
phantom = phantoms.shepp_logan(box)
coils = operators.birdcage_maps(box, 6)

everything = operators.CartesianKSpace(grid, torch.ones(grid.shape, dtype=torch.bool), coils)
exact = coils.fourier(phantom.fourier, everything.frequencies)
pixels = ii.predict(everything, phantom)
print(f"pixels instead of the integral: {100 * (pixels - exact).norm() / exact.norm():.1f} % error")

# %% [markdown]
# ## What fewer lines show
#
# We keep 20 central lines and one in four of the others. Zeros in place of what is missing give an image folded onto
# itself; each coil sees the folding with other weights, and that is what makes it possible to undo.

# %%
data = {"size": 80, "coils": 6, "acceleration": 4, "calibration": 20, "noise_level": 0.02}
problem = kspace("shepp_logan", **data, phase="coils", learn_coils="grid")
term = problem.terms[0]
kept = term.operator.lattice(term.y).abs().square().sum(0).sqrt()

figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
axes[0].imshow(kept.clamp(min=1e-3).log(), cmap="gray")
axes[0].set_title(f"k-space, {100 * len(term.y) / grid.numel:.0f} % kept")
maps = ii.sample(coils, grid)
for c, ax in zip((0, 2), axes[1:3], strict=True):
    ax.imshow(maps[..., c].abs(), cmap="viridis")
    ax.set_title(f"sensitivity of coil {c}")
axes[3].imshow(zero_filled(problem).sample()[..., 0].abs(), cmap="gray")
axes[3].set_title("zero-filled")
for ax in axes:
    ax.set_axis_off()

# %% [markdown]
# ## Undoing the folding
#
# - **SENSE** solves for the image by least squares, with maps estimated from the central lines (ESPIRiT) and no $R$:
#   noise grows where coils hardly differ, so conjugate gradients must stop early.
# - **TV** adds $R$, still with maps that were estimated once and a complex image.
# - **Joint** learns maps and image together. Physics helps: magnetisation is real, and the smooth phase of the data can
#   live in the maps, which leaves *half* the unknowns.
#
# Nothing is chosen by the truth: iterations and the weights of TV are, by samples that no fit saw.

# %%
joint = ii.solve(problem, steps=300, callbacks=[])
solutions = [zero_filled(problem), sense(problem), tv_sense(problem, iterations=150), joint]
for solution in solutions:
    print(f"{solution.method:12s} {solution.metrics()['PSNR']:6.2f} dB")

# %% tags=["figure"]
images = {"truth": ii.sample(problem.reference, grid, average=4)[..., 0]}
images |= {s.method: s.sample()[..., 0].abs() for s in solutions}
picture = plotting.compare(images, errors_against="truth")[0, 0].figure
picture

# %% [markdown]
# ## A spoke is the Fourier transform of a projection
#
# Scanners also read k-space along lines through its centre. By the Fourier-slice theorem such a spoke is the 1-D
# Fourier transform of the image's projection: the physics of a CT ray. `RadialSpokes` integrates the field along rays
# and needs neither a grid nor a non-uniform FFT; `NonCartesianKSpace` takes the raster and a NUFFT. Both against the
# phantom's closed form:

# %%
angles, frequency = operators.radial_angles(8), operators.radial_frequency(grid, 120)
truth = phantom.fourier(operators.radial_trajectory(grid, 8, 120))
by_rays = ii.predict(operators.RadialSpokes(box, angles, frequency, samples=400, rays=400), phantom)
nufft = operators.NonCartesianKSpace(grid, operators.radial_trajectory(grid, 8, 120))
by_raster = nufft.unflatten(ii.predict(nufft, phantom))
for name, y in (("ray integrals", by_rays), ("raster and NUFFT", by_raster)):
    print(f"{name:18s} {100 * (y - truth).norm() / truth.norm():.2f} % error")

# %% [markdown]
# ## Exercises
#
# **1. How much faster?** Of 80 lines the central 20 are kept, and one in four of the others. How many times shorter is the scan? Set
# `answer_1`.
#
# <details><summary>Hint</summary>
#
# It is not 4.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_1 = 80 / (20 + 60 / 4)
# ```
#
# </details>
#
# **2. A head that lies beside.** The image is shifted, $f(x - \delta)$. By which factor does each sample of k-space change? Write
# `answer_2(frequency, shift)` for frequencies (n, 2) in cycles per cm and a shift (2,) in cm, (n,) complex numbers.
#
# <details><summary>Hint</summary>
#
# Put $x = x' + \delta$ into the integral at the top.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(frequency, shift):
#     return torch.exp(-2j * torch.pi * (frequency @ shift))
# ```
#
# </details>
#
# **To go on.** The truth here has no phase of its own. Give the solver the harder problem, `kspace(..., phase="image")`: how many dB was the
# knowledge worth that $f$ is real? Then keep the number of samples and change where they lie: `sampling="poisson_disc"` with
# `acceleration` equal to `grid.numel / len(term.y)`. Why does the zero-filled image look noisy instead of folded?

# %%
from exercises import check_07

answer_1 = None
answer_2 = None
check_07.first(answer_1)
check_07.second(answer_2)
