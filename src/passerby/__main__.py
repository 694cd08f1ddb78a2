"""``python -m passerby``: the command line."""

from passerby.cli.app import main

if __name__ == "__main__":
    main()
