"""Takes out of built pages what they load and do not use, so that a first page is there at once.

- MathJax, 2 MB, from pages without a formula.
- Font Awesome's script, 1.5 MB, from all: the theme's style sheet has the same icons as a font.
"""

import re
import sys
from pathlib import Path

ICONS = re.compile(r"<script[^>]*/fontawesome\.js[^>]*>\s*(</script>)?")
MATH = re.compile(
    r"<script[^>]*/mathjax/[^>]*>\s*</script>|<script>\s*window\.MathJax.*?</script>", re.DOTALL
)
FORMULA = re.compile(r'class="[^"]*\bmath\b')


def lightened(page: str) -> str:
    """A page's HTML without the scripts that it does not need.

    >>> lightened('<script defer src="a/fontawesome.js?v=1"></script><p>x</p>')
    '<p>x</p>'
    >>> math, formula = '<script src="a/mathjax/tex-svg.js"></script>', '<p class="math">x</p>'
    >>> lightened(math + "<p>x</p>"), lightened(math + formula) == math + formula
    ('<p>x</p>', True)
    """
    page = ICONS.sub("", page)
    return page if FORMULA.search(page) else MATH.sub("", page)


def main(built: Path) -> int:
    """Lighten every page under a built book; exit status."""
    for file in built.rglob("*.html"):
        before = file.read_text()
        after = lightened(before)
        if after != before:
            file.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
