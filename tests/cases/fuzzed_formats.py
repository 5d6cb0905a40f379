"""A small valid file of each format that `inverse_inr.io` reads, for `cases.fuzz`."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import torch
from cases.fuzz import Example
from cases.io import ct_file, grid_of, scan_file

from inverse_inr import io

Make = Callable[[Path], Example]


def _values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def _image(suffix: str, shape: tuple[int, ...] = (9, 12), **options: Any) -> Make:
    def make(folder: Path) -> Example:
        path = folder / f"a{suffix}"
        io.write_image(path, torch.from_numpy(_values(*shape, 1)), grid_of(shape), **options)
        return Example([path], lambda: io.read_image(path))

    return make


def _pillow(suffix: str, mode: str = "RGB", **options: Any) -> Make:
    def make(folder: Path) -> Example:
        from PIL import Image

        exif = Image.Exif()
        exif[274] = 6
        picture = Image.fromarray((255 * _values(16, 24, 3)).astype(np.uint8))
        path = folder / f"a{suffix}"
        picture.convert(mode).save(path, exif=exif, **options)
        return Example([path], lambda: io.read_image(path))

    return make


def _sound(folder: Path) -> Example:
    from inverse_inr import Box, Grid

    path = folder / "a.wav"
    grid = Grid(Box((0.0,), (0.01,), ("s",)), (80,))
    io.write_wav(path, torch.from_numpy(_values(80, 2)), grid)
    return Example([path], lambda: io.read_wav(path))


def _dicom(folder: Path) -> Example:
    import pydicom

    path = folder / "a.dcm"
    dataset = pydicom.dcmread(ct_file())
    small = dataset.pixel_array[:16, :16]
    dataset.Rows, dataset.Columns = small.shape
    dataset.PixelData = small.tobytes()
    for element in [e for e in dataset if e.VR == "SQ"]:
        del dataset[element.tag]
    if "DataSetTrailingPadding" in dataset:
        del dataset.DataSetTrailingPadding
    dataset.save_as(path)
    return Example([path], lambda: io.read_dicom(path))


def _mesh(folder: Path) -> Example:
    path = folder / "a.ply"
    corners = torch.tensor([[0, 1, 2], [1, 2, 3]])
    points = torch.from_numpy(_values(4, 3)).double()
    io.write_ply(path, points, corners, extra={"red": torch.arange(4, dtype=torch.uint8)})
    return Example([path], lambda: io.read_ply(path))


def _mesh_as_text(folder: Path) -> Example:
    path = folder / "a.ply"
    lines = ["ply", "format ascii 1.0", "element vertex 4"]
    lines += [f"property float {k}" for k in "xyz"]
    lines += ["element face 2", "property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(f"{v:.4f}" for v in row) for row in _values(4, 3)]
    path.write_text("\n".join([*lines, "3 0 1 2", "3 1 2 3"]) + "\n")
    return Example([path], lambda: io.read_ply(path))


def matlab_content() -> dict[str, Any]:
    """Numbers, a text, a struct in a struct, a cell and a sparse matrix."""
    from scipy.sparse import eye

    cell = np.empty((1, 2), dtype=object)
    cell[0, 0] = _values(2, 3)
    cell[0, 1] = "word"
    inner = {"depth": np.arange(5, dtype=np.int16), "name": "inner"}
    return {
        "cell": cell,
        "flags": np.array([[True, False]]),
        "sparse": eye(4, 5, format="csc"),
        "record": {"a": _values(3, 4), "inner": inner},
        "cube": _values(3, 4, 5) + 1j,
    }


def _matlab(compressed: bool) -> Make:
    def make(folder: Path) -> Example:
        from scipy.io import savemat

        from inverse_inr.io.matlab import matlab_variables

        path = folder / "a.mat"
        savemat(path, matlab_content(), do_compression=compressed)
        names = ("cell", "flags", "record", "cube", "sparse")

        def read() -> list[Any]:
            found = matlab_variables(path)
            return [_dense(found[k]) if k in found else io.read_matlab(path, k) for k in names]

        return Example([path], read)

    return make


def _dense(value: Any) -> Any:
    return value if isinstance(value, np.ndarray) else value.toarray()


def _matlab73(folder: Path) -> Example:
    path = folder / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"] = _values(5, 6)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file")
    return Example([path], lambda: io.read_matlab(path, "x"))


def _scan(folder: Path) -> Example:
    path = scan_file(folder / "a.h5")
    return Example([path], lambda: io.read_dxchange(path))


def _fastmri(folder: Path) -> Example:
    path = folder / "a.h5"
    values = _values(2, 3, 12, 10)
    values[:, :, 6, 5] = 30  # k-space is brightest in its centre
    with h5py.File(path, "w") as file:
        file["kspace"] = (values + 1j * values[::-1]).astype(np.complex64)
    return Example([path], lambda: io.read_kspace(path, slice=0))


def _ismrmrd(folder: Path) -> Example:
    from cases.kspace_files import write_ismrmrd

    path = folder / "a.h5"
    full = torch.from_numpy(_values(2, 12, 10) + 1j)
    full[:, 6, 5] = 30
    write_ismrmrd(path, full, list(range(10)))
    return Example([path], lambda: io.read_kspace(path))


def _envi(folder: Path) -> Example:
    path = folder / "a.hdr"
    cube = torch.from_numpy(_values(4, 5, 6))
    io.write_envi(path, io.SpectralCube(cube, torch.arange(6).double() * 10 + 400))
    return Example([path, path.with_suffix(".img")], lambda: io.read_cube(path))


def _gotcha(folder: Path) -> Example:
    from scipy.io import savemat

    place = {"x": 7e3, "y": 0.0, "z": 7e3, "r0": 9899.5}
    fields = {name: np.full(5, v, np.float32) for name, v in place.items()}
    fields["freq"] = np.linspace(9e9, 9.6e9, 8).astype(np.float32)
    fields["fp"] = np.ones((8, 5), np.complex64)
    savemat(folder / "a.mat", {"data": fields})
    return Example([folder / "a.mat"], lambda: io.read_gotcha(folder / "a.mat"))


def _domes(folder: Path) -> Example:
    from scipy.io import savemat

    fields = {
        "FGHz": np.linspace(7.0, 13.0, 8),
        "azim": np.linspace(0, 4, 5),
        "elev": np.full(5, 30.0),
        **{k: np.ones((8, 5), np.complex64) for k in ("hh", "vv", "hv")},
    }
    savemat(folder / "a.mat", {"data": fields})
    return Example([folder / "a.mat"], lambda: io.read_cv_domes(folder / "a.mat"))


def _mstar(folder: Path) -> Example:
    content = _test_module("chip_bytes").chip_bytes()[0]
    (folder / "HB0.015").write_bytes(content)
    return Example([folder / "HB0.015"], lambda: io.read_mstar(folder / "HB0.015"))


def _ti(folder: Path) -> Example:
    module = _test_module("awr1843")
    (folder / "a.json").write_text(json.dumps(module.settings()))
    module.written(folder)
    files = sorted(p for p in folder.iterdir() if p.suffix in (".bin", ".json"))
    data = next(p for p in files if p.suffix == ".bin")
    settings = folder / "a.json"

    def read() -> Any:
        return io.read_ti(data, io.read_ti_json(settings), "AWR1843")

    return Example([data, settings], read)


def _sarpy(writer: str, reader: Callable[[Path], Any], suffix: str) -> Make:
    def make(folder: Path) -> Example:
        path = folder / f"a{suffix}"
        getattr(_test_module(writer), writer)(path)
        return Example([path], lambda: reader(path))

    return make


def _field(folder: Path) -> Example:
    from inverse_inr import Box, priors
    from inverse_inr.solver.weights import load_field, save_field

    path = folder / "a.safetensors"
    prior = priors.create("siren", Box((-1.0, -1.0), (1.0, 1.0)), width=8, depth=1)
    save_field(prior, path)
    path.write_bytes(_sorted_header(path.read_bytes()))
    return Example([path], lambda: load_field(path))


def _sorted_header(content: bytes) -> bytes:
    """A safetensors file with its header in one order; the library's own changes with each run."""
    size = int.from_bytes(content[:8], "little")
    head = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":"))
    return content[:8] + head.encode().ljust(size) + content[8 + size :]


def _test_module(function: str) -> ModuleType:
    """The test file that writes files of a format, wherever it stands."""
    for path in sorted((Path(__file__).parents[1] / "io").rglob("test_*.py")):
        if f"def {function}(" in path.read_text():
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise LookupError(f"no test of files defines {function}")


FORMATS: dict[str, Make] = {
    "png, 16-bit grey": _image(".png"),
    "png, colours": _pillow(".png"),
    "png, palette": _pillow(".png", "P"),
    "jpeg": _pillow(".jpg"),
    "tiff": _image(".tif"),
    "tiff, deflate": _pillow(".tif", compression="tiff_adobe_deflate"),
    "nifti": _image(".nii", (5, 6, 4)),
    "nifti, gzip": _image(".nii.gz", (5, 6, 4)),
    "nrrd": _image(".nrrd", (5, 6, 4)),
    "npz": _image(".npz"),
    "wav": _sound,
    "dicom": _dicom,
    "ply": _mesh,
    "ply, ascii": _mesh_as_text,
    "matlab 5": _matlab(False),
    "matlab 5, compressed": _matlab(True),
    "matlab 7.3": _matlab73,
    "dxchange": _scan,
    "fastmri": _fastmri,
    "ismrmrd": _ismrmrd,
    "envi": _envi,
    "gotcha": _gotcha,
    "cv domes": _domes,
    "ti": _ti,
    "mstar": _mstar,
    "cphd": _sarpy("write_cphd", io.read_cphd, ".cphd"),
    "sicd": _sarpy("write_sicd", io.read_sicd, ".nitf"),
    "field": _field,
}
