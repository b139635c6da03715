"""Entry point of `python -m archsieve` and of the script `archsieve`: sets up signals before any other import."""

from archsieve._interrupts import end_at_once_on_signals


def main() -> None:
    """Run the command line."""
    end_at_once_on_signals()
    from archsieve.cli import main as run

    run()


if __name__ == "__main__":
    main()
