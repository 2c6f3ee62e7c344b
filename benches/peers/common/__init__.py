"""What the comparisons with other programs share: the machine, packages, runs and the table of ratios."""
