"""One HTML file with every plot, without a network, from the page that DVC writes.

`dvc plots show` writes a page that loads its drawing library from the internet and its pictures
from a folder beside it. `python -m tools.offline_page FOLDER/index.html plots.html` puts both
inside: the library from the package vl-convert-python, the pictures as data addresses.
"""

import argparse
import base64
import html
import re
from pathlib import Path
from urllib.parse import unquote

import vl_convert

from har.errors import UserError, user_errors_end_the_program
from har.files import write_atomically

STYLE = """
body { font-family: system-ui, sans-serif; margin: 2em auto; max-width: 1500px; padding: 0 1em; }
body > div { margin-bottom: 3em; max-width: 100%; overflow-x: auto; vertical-align: top; }
img { max-width: 100%; height: auto; }
p { color: #555; margin: 0.3em 0; }
table { border-spacing: 15px; }
"""


def offline_page(page: Path, title: str = "Plots") -> str:
    """The page of `dvc plots show` or `dvc plots diff`, self-contained.

    Raises:
        UserError: the page or one of its pictures is missing.
    """
    text = _read(page).decode("utf-8")
    if "vegaEmbed" not in text and "<img" not in text:
        raise UserError(f"{page} shows no plots: run `dvc repro` first, then `dvc plots show`")
    body = text.partition("<body>")[2].rpartition("</body>")[0]
    body = re.sub(
        r'(<img\b[^>]*?\bsrc=")([^":]+)(")',
        lambda match: match[1] + _data_address(page.parent / unquote(match[2])) + match[3],
        body,
    )
    # A closing tag inside a string of the library would end the script element.
    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg] # its stub wants a snippet
    library = bundle.replace("</script", r"<\/script")
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"<script>{library}</script>\n</head>\n"
        f"<body>\n<h1>{html.escape(title)}</h1>\n{body.strip()}\n</body>\n</html>\n"
    )


def _data_address(picture: Path) -> str:
    kinds = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".svg": "svg+xml"}
    content = base64.b64encode(_read(picture)).decode("ascii")
    return f"data:image/{kinds.get(picture.suffix.lower(), 'png')};base64,{content}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run `dvc plots show`") from None


def main() -> None:
    """Write the page; the arguments are DVC's page and the output file."""
    parser = argparse.ArgumentParser(prog="python -m tools.offline_page", description=__doc__)
    parser.add_argument("page", type=Path, help="index.html written by dvc plots show or diff")
    parser.add_argument("output", type=Path, help="the single file to write")
    parser.add_argument("--title", default="Plots")
    arguments = parser.parse_args()
    with write_atomically(arguments.output, "w", encoding="utf-8") as file:
        file.write(offline_page(arguments.page, arguments.title))
    print(f"{arguments.output}: open it in a browser, it needs no network")


if __name__ == "__main__":
    with user_errors_end_the_program():
        main()
