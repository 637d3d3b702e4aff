"""The command line's door: ``python -m callboard`` and the ``callboard`` script."""


def main() -> None:
    """Run the command line; it is imported only now, so that the library never pays for it."""
    from .console.command import main as command

    command()


if __name__ == "__main__":
    main()
