"""`python -m vitrail`, and what torchrun starts."""

from vitrail.cli.main import main

main()
