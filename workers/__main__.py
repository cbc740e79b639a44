"""`python -m workers` is `spondyl`."""

from workers.cli import main

if __name__ == "__main__":
    main()
