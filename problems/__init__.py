"""Ready-made problems, one room per modality, and the presets that the command line runs."""
