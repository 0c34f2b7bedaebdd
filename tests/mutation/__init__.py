"""Mutation testing: the derivatives of the rules, each made wrong in the usual ways, so that the tests must notice."""
