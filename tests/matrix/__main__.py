"""`python -m tests.matrix` writes `docs/access.md` from the rules."""

from tests.matrix.table import PATH, page

if __name__ == "__main__":
    PATH.write_text(page())
