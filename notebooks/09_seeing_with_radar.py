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
# # Seeing with radar
#
# A radar measures no image. Each pulse says only how far away things are, and with which phase they answer. From pulses
# all around an object a volume can be computed. We do it in three ways; all of them approach
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# | letter | in words | in the code |
# |---|---|---|
# | $f_\theta$ | how strongly each place scatters: a function of position | voxels, or a small network: `prior="hash"` |
# | $A$ | the radar: what a pulse brings back from $f$ | `A = operators.FMCW(...)` |
# | $y$ | the spectra that were measured, complex, noise included | `y` |
# | $D$ | how badly $A(f_\theta)$ explains $y$ | `noise.ComplexGaussian(sigma)` |
# | $\lambda R$ | most of space is empty | `regularizers.L1()` |
#
# Everything runs on one CPU core in under a minute.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import operators
from inverse_inr.baselines import l1
from inverse_inr.surfaces import best, volume_errors
from inverse_inr.problems.radar import fmcw
from inverse_inr.problems.radar.imaging import backprojection, radar_figure
from inverse_inr.problems.radar.scenes import aeroplane

torch.set_num_threads(1)

# %% [markdown]
# ## One chirp
#
# The radar sends a ramp of frequencies $f_0 + S t$. The echo of a point at range $R$ comes back $\tau = 2R/c$ later;
# mixed with what is being sent meanwhile it leaves a beat,
#
# $$s(t) = \sigma\, e^{\,j 2\pi (f_0 \tau + S \tau t - S \tau^2 / 2)}.$$
#
# Its frequency $S\tau$ tells the range to $c / 2B$, a few centimetres, with $B$ the bandwidth. Its phase turns once for
# every *half wavelength*, 1.5 cm at 10 GHz: far finer, but it does not say which turn. `FMCW` computes the DFT of
# $s(t)$ in closed form, bin by bin.

# %%
chirp = operators.Chirp(start_frequency=8e9, slope=4e9 / 64 * 5e6, sample_rate=5e6, samples=64)
print(f"bandwidth {chirp.bandwidth / 1e9:.0f} GHz, so a bin is {1e3 * chirp.range_resolution:.1f} mm of range")
print(f"wavelength {1e3 * chirp.wavelength:.1f} mm; farthest unambiguous range {chirp.range_max:.2f} m")

scene = ii.Box((-0.2, -0.2, -0.2), (0.2, 0.2, 0.2), units=("m", "m", "m"))
radar = operators.RadarGeometry(torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))  # one antenna, 1 m away
one_pulse = operators.FMCW(scene, radar, chirp, bins=torch.arange(64))


def spectrum(*positions):
    """|A(f)| of unit scatterers at these x (m)."""
    points = torch.tensor([[x, 0.0, 0.0] for x in positions], dtype=torch.float64)
    return one_pulse.respond(points, torch.ones(len(points), dtype=torch.float64), torch.tensor([0]))[0].abs()


ranges = 100 * torch.arange(64) * chirp.range_resolution
quarter = chirp.wavelength / 4
far, near = spectrum(0.05, -0.05), spectrum(0.0, quarter)
picture, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(ranges, far, ".-", label="two points 100 mm apart: two peaks")
axes.plot(ranges, near, ".-", label=f"{1e3 * quarter:.1f} mm apart, a quarter wavelength: they cancel")
axes.set(xlim=(75, 130), xlabel="range (cm)", ylabel="|A(f)|")
axes.legend()
plt.show()

# %% [markdown]
# Two points closer than a bin are one peak, and a quarter wavelength apart (half a turn of phase there and back) they
# almost cancel. That is why one pulse can say so little, and why phases must be right: path lengths are kept in float64
# whatever the precision of the network.
#
# ## An aeroplane on a turntable
#
# 12 azimuths times 8 heights, 96 pulses in all. The aeroplane is 6000 points that sit on no grid, so that no
# reconstruction has the truth among its candidates. $y$ has 20 dB of signal over noise.

# %%
problem = fmcw(azimuths=12, heights=8, snr=20.0, seed=0)
A, y = problem.terms[0].operator, problem.terms[0].y
truth = aeroplane()
print(f"{len(A)} pulses of {y.shape[1]} bins; {problem.grid.numel} voxels {problem.grid.shape}")

# %% [markdown]
# **Backprojection** lets every pulse answer to every voxel and adds up: $A^* y$. Where a scatterer is, all phases
# agree. Elsewhere they nearly cancel, but with few pulses only nearly.
#
# **Non-negative L1** looks for the sparsest non-negative voxels that explain the pulses; its $\lambda$ is the largest
# for which the residuals are no larger than the noise.
#
# **INR**: the same $D$ and $R$, but $f_\theta$ is a hash-encoded network that cannot be negative. What it adds is that
# neighbouring places share parameters.

# %%
images = [
    backprojection(problem),
    l1(problem, "residual", nonnegative=True, weights=(0.3, 0.1, 0.03, 0.01, 0.005), iterations=60),
    ii.solve(problem, steps=600, batch=48, seed=0, callbacks=[]),
]
for solution in images:
    errors = best(volume_errors(solution.sample(), problem.grid, truth, reach=problem.grid.spacing[0]))
    print(f"{solution.method:15s} Chamfer {1e3 * errors.chamfer:.2f} mm   F1 {errors.f1:.2f}   {solution.seconds:.0f} s")

# %% [markdown]
# The figure worth keeping: maximum-intensity projections in decibels below each maximum, and under them what was
# measured, the range profile of every pulse. (Chamfer: the mean distance between the image's bright voxels and the true
# points, at the best threshold. F1: how many of both are within a voxel of the other.)

# %% tags=["figure"]
picture = radar_figure(problem, images)
picture

# %% [markdown]
# ## Exercises
#
# **1. A centimetre.** Which bandwidth in Hz does a radar need to tell two points apart that are 1 cm apart in range? Set `answer_1`.
#
# <details><summary>Hint</summary>
#
# $c / 2B$. The radars of cars have about 4 GHz.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_1 = 299_792_458 / (2 * 0.01)
# ```
#
# </details>
#
# **2. How fast do two points swing?** In `spectrum`, move two points apart in steps of 2 mm from 0 to 40 mm and plot the largest value. It
# swings. With which period, in mm? Set `answer_2`.
#
# <details><summary>Hint</summary>
#
# Both echoes go there and back: phases differ by $2\pi \cdot 2 d / \text{wavelength}$.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# answer_2 = 1e3 * chirp.wavelength / 2
# ```
#
# </details>
#
# **To go on.** Double the number of azimuths, `fmcw(azimuths=24, ...)`. Which of the three gains most? Then use a signal of 5 dB instead of 20.

# %%
from exercises import check_09

answer_1 = None
answer_2 = None
check_09.first(answer_1)
check_09.second(answer_2, chirp.wavelength)
