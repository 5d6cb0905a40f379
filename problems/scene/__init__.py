"""Scenes from pictures of posed cameras: of solids with exact rendering, or measured."""

from inverse_inr.problems.scene.editing import Removed as Removed
from inverse_inr.problems.scene.measured import scene_views as scene_views
from inverse_inr.problems.scene.novel_views import pictures as pictures
from inverse_inr.problems.scene.novel_views import write_orbit as write_orbit
from inverse_inr.problems.scene.simulated import scene as scene
from inverse_inr.problems.scene.solids import Solids as Solids
