"""The command line as `python -m inverse_inr`, which `torchrun` starts once per process."""

from inverse_inr.command.cli import main

if __name__ == "__main__":
    main()
