"""`python -m archsieve`, and the script `archsieve`: signals are minded before anything else is imported."""

from archsieve._interrupts import end_at_once_on_signals


def main() -> None:
    """Run the command line."""
    end_at_once_on_signals()
    from archsieve.cli import main as run

    run()


if __name__ == "__main__":
    main()
