"""Arrays whose channels have unknown gains, phases and delays, and their closed form."""
