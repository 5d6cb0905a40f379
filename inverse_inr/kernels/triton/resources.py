"""Registers and spills of the Triton kernels, compiled for several GPUs without having one.

    python -m inverse_inr.kernels.triton.resources docs/devices.md

writes the table into the page, between its two marks. A register that does not fit is spilt to
memory, which makes a kernel slow; none may be at the sizes of the presets.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from inverse_inr.kernels.triton import rays

TARGETS = (80, 90, 120)
"""Compute capabilities: A100, H100 and H200, and the GeForce RTX 50 series."""

BEGIN = "<!-- resources of kernels: begin -->"
END = "<!-- resources of kernels: end -->"

LATTICE = "*fp32 Scale, *fp32 Shift, *fp32 Top, *i32 Step, *i32 Start, *i32 Hashed"
PLANES = (
    "*fp32 V, *fp32 First, *fp32 Step, *fp32 Sums, i32 n, i32 planes, i32 width, i32 height, "
    "i32 by_plane, i32 by_width, i32 by_height, i32 by_channel"
)


class Case(NamedTuple):
    """One kernel at one size.

    Attributes:
        name: What the table calls it.
        module: The module of the kernel, beside this one.
        kernel: The kernel's name there.
        signature: Types and names of its arguments.
        constants: Its compile-time constants.
        options: How it is compiled, where not as usual.
    """

    name: str
    module: str
    kernel: str
    signature: str
    constants: dict[str, Any]
    options: dict[str, int] | None = None


class Resources(NamedTuple):
    """The resources of a compiled kernel.

    Attributes:
        registers: 32-bit registers per thread.
        spilt: Bytes per thread that did not fit in registers.
        shared: Bytes of shared memory per program.
    """

    registers: int
    spilt: int
    shared: int


def cases() -> list[Case]:
    """List the kernels at the sizes of the presets."""
    found = []
    for d, kind, features, table in (
        (2, 0, 2, 2**19),  # hash, grid, planes
        (3, 0, 2, 2**19),
        (3, 1, 2, 2**19),  # with smoothstep, as Laplacians need
        (2, 2, 1, 2**31),  # grid of order 3
    ):
        kinds = ("linear", "smoothstep", "cubic")
        constants: dict[str, Any] = {"d": d, "f": features, "kind": kind, "BLOCK": 128}
        constants |= {"nodes": 4 if kind == 2 else 2, "mask": (table - 1) & 0x7FFFFFFF}
        for directed in (False, True):
            order = "2nd order" if directed else "1st order"
            for kernel, arrays in (
                ("gather", "*fp32 T, *fp32 Y"),
                ("scatter", "*fp32 G, *fp32 T"),
                ("slope", "*fp32 T, *fp32 G, *fp32 S"),
            ):
                found.append(
                    Case(
                        f"encoding, {kernel}, {d}-D, {kinds[kind]}, {order}",
                        "encoding_kernels",
                        f"{kernel}_kernel",
                        f"*fp32 X, *fp32 V, {arrays}, {LATTICE}, i32 n, i32 levels",
                        {**constants, "directed": directed},
                    )
                )
    for kernel in ("integrate", "spread"):
        name = f"projector, {kernel}"
        found.append(Case(name, "projector_kernels", f"{kernel}_kernel", PLANES, {"BLOCK": 128}))
    waves = (
        "*fp64 X, *fp32 S, *fp32 Amplitude, *fp64 Transmitters, *fp64 Receivers, *fp64 Reference, "
        "*fp64 Frequencies, *fp32 Y, i32 n, i32 count, i32 by_pulse, *fp64 Scalars, fp32 sign"
    )
    for kernel, more in (("sum", ""), ("adjoint", ", i32 pulses")):
        constants = {"weighted": True, "BLOCK_X": 64, "BLOCK_K": 8}
        found.append(
            Case(f"waves, {kernel}", "phases_kernels", f"{kernel}_kernel", waves + more, constants)
        )
    gridding = (
        "*fp32 Values, *i32 First, *fp32 Weight, *i32 Sizes, *i32 Shifts, *i32 Periodic, "
        "*fp32 Out, i32 n, i32 cells"
    )
    for d in (2, 3):
        for kernel in ("interpolate", "spread"):
            constants = {"d": d, "width": 6, "BLOCK": 128}
            name = f"gridding, {kernel}, {d}-D"
            found.append(Case(name, "gridding_kernels", f"{kernel}_kernel", gridding, constants))
    return found + _fused_cases()


def _fused_cases() -> list[Case]:
    """The sums along rays: the prior `hash` as it is by default, with more levels, and wider."""
    of_table = "*fp32 OfT, *fp32 OfW1, *fp32 OfB1, "
    of_second = "*fp32 OfW2, *fp32 OfB2, "
    kernels = {
        "forward": "*fp32 Out, ",
        "backward": f"*fp32 G, {of_table}{of_second}",
        "second": f"*fp32 G, {of_second}",
    }
    sizes = [(d, 2 * levels, 32) for levels in (8, 16) for d in (2, 3)]
    found = []
    for d, inputs, width in [*sizes, (2, 32, 64), (3, 32, 64)]:
        together = width <= rays.TOGETHER
        constants = {"d": d, "f": 2, "nodes": 2, "kind": 0, "mask": 2**19 - 1}
        constants |= {"inputs": inputs, "width": width, "RAYS": rays.RAYS}
        constants |= {"INPUTS": rays.padded(inputs), "WIDTH": rays.padded(width)}
        constants |= {"precision": rays.PRECISION}
        own = {"forward": {}, "backward": {"seconds": together}, "second": {"UNITS": rays.TOGETHER}}
        for kernel, arrays in kernels.items():
            if kernel == "second" and together:
                continue
            signature = (
                "*fp32 First, *fp32 Step, *fp32 T, *fp32 W1, *fp32 B1, *fp32 W2, *fp32 B2, "
                f"{arrays}{LATTICE.replace('*i32 Step', '*i32 TableStep')}, "
                "i32 n, i32 samples, i32 per_part"
            )
            name = f"ray sums, {kernel}, {d}-D, {inputs} features, {width} wide"
            options = {"num_warps": rays.WARPS, "num_stages": 1}
            numbers = constants | own[kernel]
            found.append(
                Case(name, "rays_kernels", f"{kernel}_kernel", signature, numbers, options)
            )
    return found


def compiled(case: Case, capability: int) -> Resources:
    """Compile one kernel for one kind of GPU.

    Args:
        case: The kernel and its size.
        capability: The compute capability, e.g. 90.

    Returns:
        Its registers, spills and shared memory, as ptxas says them.

    Raises:
        RuntimeError: ptxas says nothing that can be read.
    """
    import importlib

    import triton
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import get_ptxas
    from triton.compiler import ASTSource

    module = importlib.import_module(f"inverse_inr.kernels.triton.{case.module}")
    kernel = getattr(module, case.kernel)
    signature = dict.fromkeys(case.constants, "constexpr")
    for argument in case.signature.split(", "):
        kind, name = argument.split()
        signature[name] = kind
    source = ASTSource(kernel, signature, constexprs=case.constants)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=case.options)
    ptx = made.asm["ptx"]
    target = re.search(r"\.target (\w+)", ptx)
    assert target is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(ptx)
        ptxas = get_ptxas(capability).path
        command = [ptxas, "-v", f"--gpu-name={target[1]}", str(path), "-o", f"{path}.cubin"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr
    registers = re.search(r"Used (\d+) registers", said)
    spilt = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    if registers is None or spilt is None:
        raise RuntimeError(f"{case.name}: ptxas said {said!r}.")
    return Resources(int(registers[1]), max(int(spilt[1]), int(spilt[2])), made.metadata.shared)


def table() -> str:
    """Compile all cases for all targets and write the table, in Markdown."""
    heads = [f"sm_{target}" for target in TARGETS]
    lines = [f"| kernel | {' | '.join(heads)} |", "|---|" + "---|" * len(heads)]
    for case in cases():
        cells = []
        for target in TARGETS:
            found = compiled(case, target)
            cells.append(f"{found.registers}, {found.spilt}")
        lines.append(f"| {case.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(path: str) -> None:
    """Write the table into a page, between its marks.

    Args:
        path: The page.
    """
    page = Path(path).read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    Path(path).write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main(sys.argv[1])
