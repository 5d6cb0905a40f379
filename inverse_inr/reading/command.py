"""The verbs `learn-labels`, `segment` and `quality` of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from cyclopts import App, Parameter
from torch import Tensor

from inverse_inr.domain import Grid
from inverse_inr.families import load, save
from inverse_inr.io import read_image, write_image
from inverse_inr.problem import Problem
from inverse_inr.reading.images import image_problems
from inverse_inr.reading.presets import iosnet, metaseg
from inverse_inr.reading.quality import QualityGauge
from inverse_inr.reading.segmentation import Segmenter, train_segmenter
from inverse_inr.solver import Progress

Method = Annotated[
    Literal["metaseg", "iosnet"],
    Parameter(help="metaseg fits intensities in two steps; iosnet has an encoder, and one pass."),
]
Force = Annotated[bool, Parameter(help="Replace the file that is there.", negative=())]


def register(app: App) -> None:
    """Give a command line the verbs `learn-labels`, `segment` and `quality`."""
    app.command(learn_labels, name="learn-labels")
    app.command(segment)
    app.command(quality)


def learn_labels(
    images: Path,
    labels: Path,
    /,
    *,
    classes: int,
    out: Path,
    method: Method = "metaseg",
    steps: int = 500,
    seed: int = 0,
    force: Force = False,
) -> None:
    """Learn to label: inverse-inr learn-labels scans/ labels/ --classes 5 --out heads.safetensors.

    The state of the training is kept beside the file, and the same command goes on from it.

    Parameters
    ----------
    images
        A folder of images of one shape.
    labels
        A folder of label maps by the same names: whole numbers from 0, as NIfTI, NRRD or .npz.
    classes
        Number of classes, the background included.
    out
        The family to write; one that exists is refused without --force.
    steps
        Steps of the training.
    seed
        Seed of the training.
    """
    _require_free(out, force)
    pairs = _pairs(images, labels)
    read = [_problem(image) for image, _ in pairs]
    maps = [_labels(path, own.grid) for (_, path), own in zip(pairs, read, strict=True)]
    if method == "metaseg":
        segmenter = metaseg(classes, channels=read[0].channels)
    else:
        segmenter = iosnet(classes, channels=read[0].channels)
    state = out.with_name(out.name + ".state")
    trained = train_segmenter(
        segmenter,
        read,
        maps,
        steps=steps,
        seed=seed,
        lr=3e-3,
        checkpoint=state,
        callbacks=[Progress(always=True)],
    )
    save(trained.family, out)
    state.unlink(missing_ok=True)
    print(f"{out}: {method}, {len(pairs)} images, {classes} classes")


def segment(
    image: Path, /, *, family: Path, out: Path, channels: int = 1, force: Force = False
) -> None:
    """Label an image: inverse-inr segment scan.nii.gz --family heads.safetensors --out labels.npz.

    Parameters
    ----------
    image
        The image.
    family
        A file of `learn-labels`.
    out
        The label map to write, in the format of its suffix; one that exists is refused without
        --force.
    channels
        Number of channels of the images.
    """
    _require_free(out, force)
    known = load(family)
    classes = known.known.channels - channels
    if classes < 2:
        raise ValueError(
            f"{family}: its fields have {known.known.channels} channels; with --channels "
            f"{channels} none are left for labels. A file of `learn-labels`?"
        )
    problem = _problem(image)
    found = Segmenter(known, classes, channels=channels).labels(problem)
    write_image(out, found[..., None].float(), problem.grid)
    counts = torch.bincount(found.flatten(), minlength=classes)
    print(f"{out}: pixels of the classes 0 to {classes - 1}: {' '.join(map(str, counts.tolist()))}")


def quality(reference: Path, /, *images: Path, residual: float = 0.01, seed: int = 0) -> None:
    """Say how far images are from a reference: inverse-inr quality sharp.png a.png b.png.

    The distance (INRIQ, without unit) is 0 for the reference itself. It grows with noise, blur,
    loss of contrast and coarse levels.

    Parameters
    ----------
    reference
        The reference.
    images
        Images of the same shape.
    residual
        Residual at which the fit to the reference ends, as a fraction of its span.
    seed
        Seed of the fit.
    """
    values, grid = read_image(reference)
    gauge = QualityGauge(_without_lone_channel(values), grid, residual=residual, seed=seed)
    for path in images:
        other, _ = read_image(path)
        print(f"{path}  {gauge.distance(_without_lone_channel(other)):.4f}")


def _require_free(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists. Choose another --out, or pass --force.")
    if not out.absolute().parent.is_dir():
        raise FileNotFoundError(f"{out}: cannot write; the folder {out.parent} does not exist.")


def _without_lone_channel(values: Tensor) -> Tensor:
    if values.shape[-1] == 1:
        return values[..., 0]
    return values


def _problem(path: Path) -> Problem:
    values, grid = read_image(path)
    (made,) = image_problems([_without_lone_channel(values)], grid)
    return made


def _name(path: Path) -> str:
    """A file's name without its suffixes: "a" of a.nii.gz."""
    return path.name.split(".")[0]


def _pairs(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """The files of two folders by their names."""
    for folder in (images, labels):
        if not folder.is_dir():
            raise FileNotFoundError(f"learn-labels: {folder} is no folder.")
    own = {_name(p): p for p in sorted(images.iterdir()) if p.is_file()}
    other = {_name(p): p for p in sorted(labels.iterdir()) if p.is_file()}
    if not own or own.keys() != other.keys():
        alone = sorted(own.keys() ^ other.keys())
        raise ValueError(
            f"learn-labels: {images} and {labels} must hold files of the same names; "
            f"{len(alone)} stand alone: {', '.join(alone[:3])}"
        )
    return [(own[name], other[name]) for name in own]


def _labels(path: Path, grid: Grid) -> Tensor:
    """The labels of a file, which must be of the image's grid."""
    values, own = read_image(path)
    _require_same(path, own, grid)
    whole = values[..., 0].round()
    if values.shape[-1] != 1 or not torch.equal(whole, values[..., 0]):
        raise ValueError(
            f"{path}: labels are whole numbers of one channel, and these are not. PNG and JPEG "
            "hold fractions of white; NIfTI, NRRD and .npz hold numbers as they are."
        )
    return whole.long()


def _require_same(path: Path, own: Grid, grid: Grid) -> None:
    """Refuse labels of other pixels than the image's; what only one of two files says is free."""
    if own.shape != grid.shape:
        raise ValueError(
            f"{path}: labels of {own.shape} pixels are of another grid than the image's, "
            f"{grid.shape}."
        )
    if own.affine is None or grid.affine is None:
        return
    apart = torch.tensor(own.affine) - torch.tensor(grid.affine)
    if float(apart.abs().max()) > 1e-3:
        raise ValueError(
            f"{path}: the labels are of another grid than the image: their affines differ by up to "
            f"{float(apart.abs().max()):.4g} mm. Resample them, or take the image's own labels."
        )
