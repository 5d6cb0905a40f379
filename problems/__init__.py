"""Ready-made problems, one room a modality, and the TOML presets that the command line runs."""
