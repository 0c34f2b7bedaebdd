"""Random programs that must give the same in every way in which they can be run."""
