"""Scenes from pictures of posed cameras: of solids with exact rendering, or measured."""

from inverse_inr.problems.scene.editing import AtTime as AtTime
from inverse_inr.problems.scene.editing import Removed as Removed
from inverse_inr.problems.scene.grid_fits import OpacityVariation as OpacityVariation
from inverse_inr.problems.scene.grid_fits import scene_fits as scene_fits
from inverse_inr.problems.scene.measured import scene_views as scene_views
from inverse_inr.problems.scene.meshes import mesh_of as mesh_of
from inverse_inr.problems.scene.meshes import surface_density as surface_density
from inverse_inr.problems.scene.moving import busy_table_top as busy_table_top
from inverse_inr.problems.scene.moving import scene_moving as scene_moving
from inverse_inr.problems.scene.novel_views import pictures as pictures
from inverse_inr.problems.scene.novel_views import write_orbit as write_orbit
from inverse_inr.problems.scene.simulated import scene as scene
from inverse_inr.problems.scene.solids import MovingSolids as MovingSolids
from inverse_inr.problems.scene.solids import Solids as Solids
