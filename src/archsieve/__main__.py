"""`python -m archsieve`, the command line without its script."""

from archsieve.cli import main

if __name__ == "__main__":
    main()
