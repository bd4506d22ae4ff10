"""The screens: the run itself, and the questions and notices that stand before it."""
