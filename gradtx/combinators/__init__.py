"""The grammar: ways of joining transformations, whatever they are."""
