"""Surfaces as signed distances: regularizers, meshes, figures, and errors of points and meshes."""

from inverse_inr.surfaces.clouds import cloud_normals as cloud_normals
from inverse_inr.surfaces.clouds import project as project
from inverse_inr.surfaces.clouds import spread as spread
from inverse_inr.surfaces.distance import SignedDistance as SignedDistance
from inverse_inr.surfaces.distance import Surface as Surface
from inverse_inr.surfaces.distance import distance_of as distance_of
from inverse_inr.surfaces.meshes import Mesh as Mesh
from inverse_inr.surfaces.meshes import MeshErrors as MeshErrors
from inverse_inr.surfaces.meshes import level_set as level_set
from inverse_inr.surfaces.meshes import mesh_errors as mesh_errors
from inverse_inr.surfaces.plotting import mesh as mesh
from inverse_inr.surfaces.plotting import point_cloud as point_cloud
from inverse_inr.surfaces.point_metrics import ShapeErrors as ShapeErrors
from inverse_inr.surfaces.point_metrics import best as best
from inverse_inr.surfaces.point_metrics import occupied as occupied
from inverse_inr.surfaces.point_metrics import shape_errors as shape_errors
from inverse_inr.surfaces.point_metrics import volume_errors as volume_errors
from inverse_inr.surfaces.terms import Eikonal as Eikonal
from inverse_inr.surfaces.terms import IsoPoints as IsoPoints
from inverse_inr.surfaces.terms import NearSurface as NearSurface
from inverse_inr.surfaces.terms import OffSurface as OffSurface
from inverse_inr.surfaces.terms import OnSurface as OnSurface
from inverse_inr.surfaces.terms import misaligned as misaligned
