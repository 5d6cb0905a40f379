"""Pictures of images, volumes, measurements and histories, as matplotlib axes that are not shown.

Without `axes` a figure is made by `matplotlib.figure.Figure`, so no backend or pyplot state is
touched; `axes.figure.savefig(...)` writes it, and a notebook displays `axes.figure`. Array axis 0
points down and complex images show their modulus.
"""

from inverse_inr.plotting.comparisons import compare as compare
from inverse_inr.plotting.comparisons import gallery as gallery
from inverse_inr.plotting.curves import history as history
from inverse_inr.plotting.curves import profiles as profiles
from inverse_inr.plotting.images import image as image
from inverse_inr.plotting.images import measurements as measurements
from inverse_inr.plotting.images import slices as slices
from inverse_inr.plotting.panels import PANEL as PANEL
from inverse_inr.plotting.panels import Range as Range
