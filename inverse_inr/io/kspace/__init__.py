"""Raw k-space of magnetic resonance: NumPy arrays, fastMRI HDF5 and ISMRMRD HDF5."""

from inverse_inr.io.kspace.raw import RawKSpace as RawKSpace
from inverse_inr.io.kspace.read import read_kspace as read_kspace
