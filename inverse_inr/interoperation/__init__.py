"""Operators, images and networks of other libraries, in both directions.

`from_...` makes an operator of this library, to be a `Term` of any problem; `to_...` hands one of
ours to the other library. None of the libraries is imported before it is asked for.
"""

from inverse_inr.interoperation.deepinv import from_deepinv as from_deepinv
from inverse_inr.interoperation.deepinv import reconstructor as reconstructor
from inverse_inr.interoperation.deepinv import to_deepinv as to_deepinv
from inverse_inr.interoperation.images import from_monai as from_monai
from inverse_inr.interoperation.images import from_torchio as from_torchio
from inverse_inr.interoperation.images import to_monai as to_monai
from inverse_inr.interoperation.images import to_torchio as to_torchio
from inverse_inr.interoperation.linear_operators import from_linear_operator as from_linear_operator
from inverse_inr.interoperation.linear_operators import to_linear_operator as to_linear_operator
from inverse_inr.interoperation.mrpro import from_mrpro as from_mrpro
from inverse_inr.interoperation.sigpy import from_sigpy as from_sigpy
from inverse_inr.interoperation.sigpy import to_sigpy as to_sigpy
from inverse_inr.interoperation.tinycudann import from_tinycudann as from_tinycudann
from inverse_inr.interoperation.tinycudann import tinycudann_prior as tinycudann_prior
from inverse_inr.interoperation.xarray import to_xarray as to_xarray
