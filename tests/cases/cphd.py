"""Shared by the tests of CPHD files: one channel or several, as sarpy writes them."""

import numpy as np
import pytest

SPOT = np.array([40.0, -75.0, 100.0])  # degrees, degrees, m

PULSES, FREQUENCIES = 6, 7
PULSE_PARAMETERS = [
    "TxTime",
    "TxPos",
    "TxVel",
    "RcvTime",
    "RcvPos",
    "RcvVel",
    "SRPPos",
    "aFDOP",
    "aFRR1",
    "aFRR2",
    "FX1",
    "FX2",
    "TOA1",
    "TOA2",
    "TDTropoSRP",
    "SC0",
    "SCSS",
]
VECTORS = {"TxPos", "TxVel", "RcvPos", "RcvVel", "SRPPos"}


def pulse_parameters(flagged=False):
    """The layout of the numbers that CPHD keeps per pulse, and how many they are.

    `flagged` files have SIGNAL, a flag of each pulse.
    """
    from sarpy.io.phase_history.cphd1_elements import PVP

    parameters = {}
    size = 0
    names = PULSE_PARAMETERS + ["SIGNAL"] * flagged
    for name in names:
        if name in VECTORS:
            parameters[name] = PVP.PerVectorParameterXYZ(Offset=size)
            size += 3
        elif name == "SIGNAL":
            parameters[name] = PVP.PerVectorParameterI8(Offset=size)
            size += 1
        else:
            parameters[name] = PVP.PerVectorParameterF8(Offset=size)
            size += 1
    return PVP.PVPType(**parameters), size


def cphd_header(domain, origin, channels=("1",), flagged=False):
    """The XML of a file of some channels about a scene at `origin` (ECF, m)."""
    from sarpy.io.phase_history.cphd1_elements.CPHD import CPHDType

    pvp, size = pulse_parameters(flagged)
    tables = [
        {
            "Identifier": name,
            "NumVectors": PULSES,
            "NumSamples": FREQUENCIES,
            "SignalArrayByteOffset": 8 * PULSES * FREQUENCIES * k,
            "PVPArrayByteOffset": 8 * size * PULSES * k,
        }
        for k, name in enumerate(channels)
    ]
    identity = {
        "CollectorName": "none",
        "CoreName": "test",
        "CollectType": "MONOSTATIC",
        "ReleaseInfo": "none",
        "Classification": "UNCLASSIFIED",
        "RadarMode": {"ModeType": "SPOTLIGHT"},
    }
    return CPHDType(
        CollectionID=identity,
        Global={"DomainType": domain, "SGN": -1},
        SceneCoordinates={"IARP": {"ECF": list(origin), "LLH": list(SPOT)}},
        Data={"SignalArrayFormat": "CF8", "NumBytesPVP": 8 * size, "Channels": tables},
        PVP=pvp,
    )


def local_axes():
    """East, north and up at SPOT, as rows of ECF coordinates."""
    b, a = np.deg2rad(SPOT[:2])
    east = np.array([-np.sin(a), np.cos(a), 0])
    north = np.array([-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)])
    up = np.array([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])
    return np.stack([east, north, up])


def write_cphd(path, domain="FX", steps=(0.0, 0.0), channels=("1",), flags=None, **columns):
    """Write a file of 6 pulses and 7 frequencies about SPOT.

    `steps` are the changes per pulse of the first frequency and of the step between two (Hz),
    `flags` the column SIGNAL, `columns` further columns by name. The samples of channel k are k
    more than those of the first. Returns the first's, antennas (east, north, up; m) and
    frequencies (Hz).
    """
    pytest.importorskip("sarpy")
    from sarpy.geometry.geocoords import geodetic_to_ecf
    from sarpy.io.phase_history.cphd import CPHDWriter1

    origin = geodetic_to_ecf(SPOT)
    header = cphd_header(domain, origin, channels, flags is not None)
    draw = np.random.default_rng(0)
    local = draw.normal(size=(2, PULSES, 3)) * 1e4
    axes = local_axes()
    table = np.zeros(PULSES, dtype=header.PVP.get_vector_dtype())
    table["TxPos"] = origin + local[0] @ axes
    table["RcvPos"] = origin + local[1] @ axes
    table["SRPPos"] = origin
    table["SC0"] = 9e9 + steps[0] * np.arange(PULSES)
    table["SCSS"] = 1e6 + steps[1] * np.arange(PULSES)
    if flags is not None:
        table["SIGNAL"] = flags
    for name, column in columns.items():
        table[name] = column
    shape = (PULSES, FREQUENCIES)
    y = (draw.normal(size=shape) + 1j * draw.normal(size=shape)).astype(np.complex64)
    writer = CPHDWriter1(str(path), meta=header)
    writer.write_file(dict.fromkeys(channels, table), {n: y + k for k, n in enumerate(channels)})
    writer.close()
    return y, local, 9e9 + 1e6 * np.arange(FREQUENCIES)
