"""Shapes as fields: insides and distances, from point clouds and from meshes."""

from inverse_inr.problems.shapes.clouds import shape_cloud as shape_cloud
from inverse_inr.problems.shapes.meshes import shape_mesh as shape_mesh
from inverse_inr.problems.shapes.output import as_distance as as_distance
from inverse_inr.problems.shapes.output import surface_of as surface_of
from inverse_inr.problems.shapes.solids import cloud_on as cloud_on
from inverse_inr.problems.shapes.solids import distance_of_solid as distance_of_solid
