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
# # What does noise change?
#
# $$\text{minimise over } \theta: \quad D\big(A(f_\theta),\, y\big) \;+\; \lambda\, R(f_\theta)$$
#
# $D$ says how badly a prediction explains the measurements. It is not a matter of taste: where we know how measurements
# come about, $D$ is the negative logarithm of their probability,
#
# $$D(p, y) = -\log P(y \mid p).$$
#
# Squares are what this becomes for Gaussian noise. Detectors count photons, elements fail, and then other $D$ are right.
# We see
#
# 1. what the logarithm does to few photons, before any image is made,
# 2. which images three choices of $D$ make of the same counts, from many photons to few,
# 3. what a few wild readings do to squares, and how a $D$ with heavy tails forgives them.
#
# It takes about half a minute on one CPU core.

# %%
import matplotlib.pyplot as plt
import torch

import inverse_inr as ii
from inverse_inr import noise, operators, phantoms, plotting, priors
from inverse_inr.stopping import HeldOut

torch.set_num_threads(1)

# %% [markdown]
# ## Counts and their logarithm
#
# Of $I_0$ photons sent along a ray with line integral $p$, some $N$ arrive, and $N$ is random:
#
# $$N \sim \text{Poisson}(I_0\, e^{-p}), \qquad p \approx -\log (N / I_0).$$
#
# The estimate on the right is what a scanner computes first. Its noise depends on the object: about $\sqrt{e^{p} / I_0}$, so
# that dense parts are noisier. It is also biased, since the logarithm of a mean is not the mean of logarithms; and where
# no photon arrives it is infinite (usually one writes half a photon there). Poisson's law is a sum that we can
# compute, so no random numbers are needed to see it:


# %%
def mean_and_deviation_of_log(p, photons):
    """Mean and standard deviation of -log(max(N, 1/2) / I0), with N drawn from Poisson's law."""
    rate = photons * torch.exp(-p)
    N = torch.arange(4.0 * photons + 50)
    probability = torch.exp(torch.distributions.Poisson(rate[:, None]).log_prob(N))
    estimate = -torch.log(N.clamp(min=0.5) / photons)
    mean = (probability * estimate).sum(1)
    return mean, (probability * (estimate - mean[:, None]).square()).sum(1).sqrt()


p = torch.linspace(0, 3.5, 50)
picture, (left, right) = plt.subplots(1, 2, figsize=(9, 3.1), layout="constrained")
for photons, color in ((1000, "tab:blue"), (100, "tab:green"), (20, "tab:red")):
    mean, deviation = mean_and_deviation_of_log(p, photons)
    left.plot(p, mean - p, color=color, label=f"{photons} photons")
    right.plot(p, deviation, color=color)
    right.plot(p, (p / 2).exp() / photons**0.5, color=color, ls=":")
left.set(xlabel="line integral p", ylabel="bias of the logarithm")
right.set(xlabel="line integral p", ylabel="its deviation; dotted $\\sqrt{e^p / I_0}$", ylim=(0, 1.2))
left.legend(frameon=False)
plt.show()

# %% [markdown]
# The bias is systematic: no number of views averages it away. For few photons the estimate first swings up, and then
# falls far below: half a photon is more than none.
#
# ## Three choices of $D$
#
# The same counts, three times:
#
# | name | $D$ | in the code |
# |---|---|---|
# | squares | $\tfrac12 (p - \hat p)^2 / \sigma^2$ of the logarithms $\hat p$, one $\sigma$ | `noise.Gaussian(sigma)` |
# | weighted squares | the same, $\sigma_r^2 = 1 / N_r$ for each ray | `noise.Gaussian(sigma_of_each_row)` |
# | counts | $I_0 e^{-p} - N \log (I_0 e^{-p})$, no logarithm of $N$ | `noise.Poisson(photons)` |
#
# The object is a cylinder of water and bone-like rods, eight centimetres wide. A network is fitted to each, and held-out
# rays say when to stop.

# %%
box = ii.Box((-5.0, -5.0), (5.0, 5.0), units=("cm", "cm"))
grid = ii.Grid(box, (40, 40))
cylinder = phantoms.Ellipsoids(
    centers=torch.tensor([[0.0, 0.0], [-1.8, 0.0], [1.2, 1.6], [1.2, -1.6]]),
    semi_axes=torch.tensor([[4.0, 4.0], [0.8, 0.8], [1.0, 1.0], [1.0, 1.0]]),
    rotations=torch.eye(2).expand(4, 2, 2),
    values=torch.tensor([0.3, 0.45, 0.15, -0.15]),
)  # per cm
A = operators.ParallelBeam(box, angles=torch.arange(60) * torch.pi / 60, detectors=40, subrays=1)
clean = cylinder.line_integral(*A.rays(torch.arange(len(A)), 16)).mean(1)
truth = ii.sample(cylinder, grid, average=4)[..., 0]
inside = grid.points().norm(dim=-1) < 3.6  # the cylinder, without its rim
print(f"line integrals up to {float(clean.max()):.1f}: of 100 photons {100 * float((-clean.max()).exp()):.0f} pass")


def fit(y, D):
    """The image that explains y by this D."""
    problem = ii.Problem([ii.Term(A, y, D)], box, grid)
    prior = priors.create("hash", box, bandwidth=priors.bandwidth_of(grid) / 4, seed=0)
    solution = ii.solve(problem, prior, regularizers=[], steps=120, lattice=2, stopping=HeldOut(fraction=0.1, every=10),
                        callbacks=[])
    return solution.sample()[..., 0]


doses = (5000, 100, 20)
images = {}
for photons in doses:
    counts = noise.Poisson(photons).sample(clean, torch.Generator().manual_seed(0))
    seen = counts.clamp(min=0.5)
    logarithm = -torch.log(seen / photons)
    images["squares", photons] = fit(logarithm, noise.Gaussian(float(seen.rsqrt().square().mean().sqrt())))
    images["weighted squares", photons] = fit(logarithm, noise.Gaussian(seen.rsqrt()))
    images["counts", photons] = fit(counts, noise.Poisson(photons))


def rmse(image):
    """Root mean square error in the cylinder, per cm."""
    return float((image - truth)[inside].square().mean().sqrt())


def bias(image):
    """How much the mean of the cylinder is off, in per cent."""
    return 100 * float(image[inside].mean() / truth[inside].mean() - 1)


# %% tags=["figure"]
names = ["squares", "weighted squares", "counts"]
figure, panels = plt.subplots(3, 4, figsize=(9.6, 7.4), layout="constrained")
for row, photons in zip(panels, doses):
    for axes, name in zip(row, names):
        image = images[name, photons]
        plotting.image(image[..., None], axes=axes, value_range=(0, 0.8))
        axes.set_xlabel(f"error {rmse(image):.3f} / cm, mean {bias(image):+.0f} %")
        if photons == doses[0]:
            axes.set_title(name)
    row[0].set_ylabel(f"{photons} photons")
    row[3].plot(truth[:, 20], color="0.6", lw=3, label="truth")
    for name, color in zip(names, ("tab:orange", "tab:green", "tab:blue")):
        row[3].plot(images[name, photons][:, 20], color=color, lw=1, label=name)
    row[3].set(ylim=(-0.1, 1.9), xlabel="pixel of column 20")
panels[0, 3].set_title("a line cut (1 / cm)")
panels[0, 3].legend(frameon=False, fontsize="x-small", loc="upper center")
plt.show()

# %% [markdown]
# With many photons the three are near each other: Poisson's law is then nearly Gaussian, with variance $N$, and what is left
# is the field's own error and the step at which each was stopped. With fewer the two squares go wrong in different ways. One $\sigma$ for all lets the noisiest rays, those through dense parts, shout as loudly as
# the rest. Weights by $N$ quiet them, but the weight depends on the noise itself: a ray that happens to have more photons
# counts more, and that ray says "less dense", so the whole image is too faint. The counts need neither choice.
#
# ## A few wild readings
#
# One reading in fifty is wrong: a spark, a dead element. For squares a residual of 30 σ weighs like 900 ordinary ones. Student's
# t has heavy tails: beyond a few σ, a residual hardly counts more for being larger.

# %%
sigma = 0.02 * float(clean.max())
draw = torch.Generator().manual_seed(1)
wild = torch.rand(len(A), generator=draw) < 0.02
y = noise.Gaussian(sigma).sample(clean, draw)
y = torch.where(wild, torch.rand(len(A), generator=draw) * clean.max(), y)
robust = {"squares": fit(y, noise.Gaussian(sigma)), "Student t": fit(y, noise.StudentT(sigma, degrees=3.0))}
untouched = fit(noise.Gaussian(sigma).sample(clean, torch.Generator().manual_seed(2)), noise.Gaussian(sigma))

picture, axes = plt.subplots(1, 3, figsize=(8.4, 3.1), layout="constrained")
for ax, (name, image) in zip(axes, (robust | {"squares, nothing wild": untouched}).items()):
    plotting.image(image[..., None], axes=ax, value_range=(0, 0.8))
    ax.set(title=name, xlabel=f"error {rmse(image):.3f} / cm")
plt.show()

# %% [markdown]
# ## How to read it
#
# * $D$ is physics. If its $\sigma$ is right, held-out measurements have $D \approx \tfrac12$ at the truth, for squares as
#   for counts. Far more says that something else is wrong: the operator, or the law of the noise.
# * Heavy tails are not free. Where nothing is wild they trust good readings a little less than they could.
# * One phantom and one seed a dose are an illustration, not a measurement. The bias of the logarithm is exact.

# %% [markdown]
# ## Exercises
#
# **1. How noisy is a line integral?** For many photons, what is the standard deviation of $-\log (N / I_0)$? Write
# `answer_1(p, photons)` as a formula.
#
# <details><summary>Hint</summary>
#
# $N$ has the standard deviation $\sqrt{\text{rate}}$, and $\log$ the derivative 1/rate. The dotted lines above show it.
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_1(p, photons):
#     return torch.exp(p / 2) / photons**0.5
# ```
#
# </details>
#
# **2. A law of your own.** A detector adds a `background` of scattered photons to what passes the object:
# $N \sim \text{Poisson}(I_0 e^{-p} + b)$. Write its negative log-likelihood `answer_2(p, counts, photons, background)`, the
# mean over measurements; terms that do not depend on $p$ may be left out.
#
# <details><summary>Hint</summary>
#
# $-\log P(N) = \text{rate} - N \log \text{rate} + \log N!$
#
# </details>
#
# <details><summary>Solution</summary>
#
# ```python
# def answer_2(p, counts, photons, background):
#     rate = photons * torch.exp(-p) + background
#     return (rate - counts * torch.log(rate)).mean()
# ```
#
# </details>

# %%
from exercises import check_05

answer_1 = None
answer_2 = None
check_05.first(answer_1)
check_05.second(answer_2)
