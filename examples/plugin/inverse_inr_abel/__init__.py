"""Fields that are symmetric about an axis, from one projection. A plug-in of inverse_inr."""
