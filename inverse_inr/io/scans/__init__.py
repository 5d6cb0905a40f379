"""Scans of computed tomography as measured: HDF5 in several layouts, and TIFF projections."""

from inverse_inr.io.scans.reader import read_dxchange as read_dxchange
from inverse_inr.io.scans.reader import read_scan as read_scan
from inverse_inr.io.scans.record import Scan as Scan
