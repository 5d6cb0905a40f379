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
# # A volume from moving slices
#
# A fetus, or an adult who cannot lie still, is imaged with magnetic resonance slice by slice: each slice takes half a
# second and is sharp, but between slices the head has moved. The slices are thick, too. From several stacks of them in
# different directions we want *one* volume with small voxels. We look for it as always:
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# Pixel $j$ of slice $s$ lies at $p_j$ in the plane of the slice. It sees the volume through the *profile* of the
# slice, two millimetres wide in the plane and eight across, say. With nodes $u_k$ of that profile,
#
# $$ y_j \;=\; g_s \, \frac1K \sum_{k=1}^{K} f\big(\, \underbrace{R(\omega_s)\, R_s\,(p_j + u_k) + c_s + t_s}_{x_{jk}} \,\big) $$
#
# | letter | in words | known? |
# |---|---|---|
# | $R_s, c_s$ | where the scanner thinks the slice is | yes, from the file |
# | $\omega_s, t_s$ | how the head has turned and moved when slice $s$ was taken | **no** |
# | $g_s$ | gain of the slice | **no** |
# | $f_\theta$ | the volume, a hash-encoded network | **no** |
#
# Everything unknown is found together, by the gradient of one loss: $x_{jk}$ depends on $\omega_s$ and $t_s$, and
# $f_\theta$ can be differentiated in $x$. That is why a continuous $f_\theta$ is convenient here: it can be asked, and
# differentiated, anywhere.
#
# One CPU core, about a minute.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import plotting
from inverse_inr.operators.rigid import pose_errors
from inverse_inr.problems.slices.baselines import average, super_resolution
from inverse_inr.problems.slices.simulation import Motion, Slicing, simulate_stacks
from inverse_inr.problems.slices.volumes import problem_of, volume_field

# %% [markdown]
# ## The subject, and three stacks of it
#
# The subject is the MNI152 average brain. `simulate_stacks` takes axial, coronal and sagittal stacks while a smooth
# random walk turns the head by up to 6 degrees and shifts it by up to 6 mm. Slices are acquired interleaved (0, 2, 4,
# ... then 1, 3, 5, ...), so neighbours in space were *not* taken one after the other. Look at the axial stack cut the
# other way, on the right: edges zigzag.

# %%
brain, box = volume_field("mni152")
slicing, motion = Slicing(pixel=4.0, thickness=8.0), Motion(degrees=6.0, distance=6.0)  # mm, and degrees
stacks = simulate_stacks(brain, box, slicing=slicing, motion=motion, nodes=32, seed=0)
axial = stacks[0]
print({s.name: tuple(s.values.shape) for s in stacks}, "rows, columns, slices")

picture, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
plotting.image(axial.values[:, :, 11].T.flip(0), axes=left, title="one axial slice: sharp")
plotting.image(axial.values[25].T.flip(0).repeat_interleave(2, 0), axes=right, title="the stack across its slices")
plt.show()

# %% [markdown]
# ## What a classical method needs to know
#
# The *weighted average* puts every pixel where its slice says it is. *Super-resolution* solves the least-squares
# problem on voxels, by conjugate gradients (CG), with a smooth $R$ whose weight is chosen by pixels kept out, and finds the
# gains of the slices with it. Both believe the poses. We run CG twice: with the poses of the file, and, as a reference that nobody has in
# practice, with the true ones.

# %%
problem = problem_of(stacks, resolution=4.0, reference=brain)
told = problem_of(stacks, resolution=4.0, reference=brain, known_motion=True)
print(problem.notes)
solutions = {
    "average": average(problem),
    "CG, motion ignored": super_resolution(problem, weights=(1.0, 0.1, 0.01), iterations=20),
    "CG, true motion": super_resolution(told, weights=(1.0, 0.1, 0.01), iterations=20),
}

# %% [markdown]
# ## All at once
#
# One call. What to learn, and how fast, is the problem's suggestion: motion in millimetres, with rotations as the arc
# at the edge of a typical slice, so that one learning rate (`operator_lr=0.1`, a tenth of a millimetre a step) suits
# both. The levels of the hash grid come in from coarse to fine: a blurred head guides slices from far away, a sharp one
# would trap them. $D$ is a Student t with a scale of its own for each slice.

# %%
solutions["INR, motion found"] = ii.solve(problem, steps=500, seed=0, callbacks=[])
print(solutions["INR, motion found"].report().splitlines()[0])

# %% [markdown]
# ## Did it find the motion?
#
# Turning the head *and* all slices together changes no measurement. This freedom is called the *gauge*; the operator
# fixes it by a mean motion of zero, and before we compare with the truth we take the common motion off. Slices at the
# very edge with a few dozen pixels cannot be placed by anyone, so the plot shows those with at least 100.

# %%
operator = solutions["INR, motion found"].problem.terms[0].operator
true = problem.true_poses()  # of the slices that have pixels
counts = torch.bincount(operator.index)
seen = counts >= 100
before = pose_errors(operator.poses[seen], true[seen], weights=counts[seen])
after = pose_errors(operator.moved()[seen], true[seen], weights=counts[seen])
for name, error in (("nominal", before), ("found", after)):
    print(f"{name:8s} {error.degrees.mean():.2f} degrees, {error.distance.mean():.2f} mm off on average")

# %% tags=["figure"]
names = list(solutions)
truth = ii.sample(brain, problem.grid, average=2)[..., 0]
figure = plt.figure(figsize=(11, 6.4), layout="constrained")
pictures, curve = figure.subfigures(2, 1, height_ratios=[2.1, 1])
panels = pictures.subplots(2, 5)
middle = [n // 2 for n in problem.grid.shape]
for column, name in enumerate([*names, "truth"]):
    volume = truth if name == "truth" else solutions[name].sample()[..., 0]
    for row, axis in enumerate((0, 2)):
        plane = volume.select(axis, middle[axis]).T.flip(0)
        plotting.image(plane, axes=panels[row, column], value_range=(0, float(truth.max())))
    panels[0, column].set_title(name)
    if name != "truth":
        panels[1, column].set_xlabel(f"{solutions[name].metrics(average=1)['PSNR']:.1f} dB")
axes = curve.subplots()
shift = (true - operator.poses)[:, 0, 3]
found = (operator.moved().detach() - operator.poses)[:, 0, 3]
number = torch.arange(len(shift))[seen]
axes.plot(number, shift[seen], "o", color="0.6", label="true")
axes.plot(number, found[seen], "k+", label="found")
axes.set(xlabel="slice (axial, then coronal, then sagittal)", ylabel="shift to the right (mm)")
axes.legend(frameon=False, ncols=2)
axes.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## How to read it
#
# Ignoring motion blurs, whatever the method: compare the first two columns. The third column shows what CG does once
# somebody tells it the poses; the fourth had to find them. The zigzag of the grey circles is the interleave: two
# neighbours in space are far apart in time.
#
# Three cautions:
#
# * MNI152 is an average of many brains and smoother than one of them; numbers for a real head are lower.
# * Outside the masks no pixel looks. What a network says there is its own invention, which a very weak $\lambda R$
#   (mean $|f|$) sets to zero.
# * The PSNR under the INR includes the gauge: if the volume as a whole lies half a millimetre beside the truth, it
#   counts as an error, although no radiologist would mind.

# %% [markdown]
# ## Exercises
#
# **1. Interleaved.** Slices 0, 2, 4, ... are taken first, then 1, 3, 5, ... Write `answer_1(n)`: for each of n slices, in the order of
# space, the number of the shot in which it was taken.
#
# <details><summary>Hint</summary>
#
# `order[shot]` is a slice, asked is the inverse. For five slices: 0, 3, 1, 4, 2.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(n):
#     order = [*range(0, n, 2), *range(1, n, 2)]
#     return [order.index(s) for s in range(n)]
# ```
#
# </details>
#
# **2. The gauge.** `found` and `true` are shifts of slices (n, 3) in mm. Moving everything together changes no measurement. Write
# `answer_2(found, true)`: the mean length of the errors of the shifts once the common one is taken off.
#
# <details><summary>Hint</summary>
#
# The common shift is the mean of the differences over slices.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(found, true):
#     difference = found - true
#     return (difference - difference.mean(0)).norm(dim=1).mean()
# ```
#
# </details>
#
# **To go on.** Simulate with `outliers=0.15`, solve, and look at `slice_weights(solution.problem)` (of
# `inverse_inr.problems.slices.output`) beside `problem.outliers()`. How far can the motion be pulled: raise `degrees` and `distance` to
# 10, then 20. Is it the coarse start that matters: `options = {**problem.suggested.options, "coarse_to_fine": 0.0}` and
# `ii.solve(problem, ii.priors.create("hash", problem.box, **options))`.

# %%
from exercises import check_06

answer_1 = None
answer_2 = None
check_06.first(answer_1)
check_06.second(answer_2)
