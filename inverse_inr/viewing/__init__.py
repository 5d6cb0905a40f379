"""A local page to look at images, curves, tables and surfaces that lie in folders.

`serve` answers a browser on this machine. What there is to see is said by `Contents`, which the
caller makes; pure functions in `answers` turn requests into answers, so that they can be tested
without a socket. The page itself is the static files in `page/`: nothing is fetched from elsewhere.
`Watch` draws a fit while it goes on.
"""

from inverse_inr.viewing.contents import Contents, Curve, Volume, inside
from inverse_inr.viewing.server import Viewer, serve
from inverse_inr.viewing.watching import Watch

__all__ = ["Contents", "Curve", "Viewer", "Volume", "Watch", "inside", "serve"]
