"""Ready-made problems, one module a modality, and the TOML presets that the command line runs."""
