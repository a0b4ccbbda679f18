"""The experiments that the project grew from, row by row: as commands that anyone can give."""
