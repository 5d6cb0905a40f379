"""Arrays that stay in their files: HDF5, zarr and npy, read in blocks by a thread."""

from inverse_inr.io.stored.array import stored_array as stored_array
from inverse_inr.io.stored.tensor import StoredTensor as StoredTensor
