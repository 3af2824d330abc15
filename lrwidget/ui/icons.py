"""The icons of the buttons, as CSS: shapes in the colour of the text that add nothing to a button's name."""

from __future__ import annotations

from urllib.parse import quote

# Paths in a square of 16.
_PATHS = {
    "run": "M4 2.5v11l9-5.5z",
    "resume": "M4 2.5v11l9-5.5z",
    "pause": "M4 3h3v10H4zM9 3h3v10H9z",
    "stop": "M3.5 3.5h9v9h-9z",
    "clear": "M6 2h4l.5 1.2H13v1.5H3V3.2h2.5zM4 6h8l-.6 8H4.6z",
    "back": "M7 3V.8L2.6 4.2 7 7.6V5.2a3.7 3.7 0 1 1-3.7 4H1.2A5.8 5.8 0 1 0 7 3z",
    "extend": "M2 7h8.2L7 3.8 8.4 2.4 14 8l-5.6 5.6L7 12.2 10.2 9H2z",
    "save": "M7 1.5h2v6l2.3-2.3 1.3 1.4L8 11.2 3.4 6.6l1.3-1.4L7 7.5zM2.5 12.5h11v2h-11z",
    "link": "M2 5h5v1.7H3.7v2.6H7V11H2zM9 5h5v6H9V9.3h3.3V6.7H9zM5 7.2h6v1.6H5z",
    "lock": "M4 7V5a4 4 0 0 1 8 0v2h1v7H3V7zm1.6 0h4.8V5a2.4 2.4 0 0 0-4.8 0z",
    "copy": "M2 2h8v2H4v6H2zM6 6h8v8H6zm1.6 1.6v4.8h4.8V7.6z",
    "show": "M8 3.5c3 0 5.4 1.7 7 4.5-1.6 2.8-4 4.5-7 4.5S2.6 10.8 1 8c1.6-2.8 4-4.5 7-4.5z"
    "m0 1.6a2.9 2.9 0 1 0 0 5.8 2.9 2.9 0 0 0 0-5.8zm0 1.5a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8z",
    "keep": "M2 2h8v2H4v6H2zM6 6h8v8H6z",
    "table": "M2 3h12v10H2zm1.5 3v2h4V6zm5.5 0v2h3.5V6zM3.5 9.5v2h4v-2zm5.5 0v2h3.5v-2z",
    "dismiss": "M3.8 2.4 8 6.6l4.2-4.2 1.4 1.4L9.4 8l4.2 4.2-1.4 1.4L8 9.4l-4.2 4.2-1.4-1.4L6.6 8 2.4 3.8z",
}


def css() -> str:
    """A rule for each icon: the class ``lrw-icon-<name>`` puts it in front of a button's text."""
    rules = [
        '.lrwidget [class*="lrw-icon-"]::before { content: ""; display: inline-block; flex: none; width: 12px; '
        "height: 12px; margin-right: 6px; vertical-align: -1px; background: currentColor; "
        "color: inherit; padding: 0; align-self: auto; "  # as they are also where the kernel is gone
        "-webkit-mask: var(--lrw-icon) center / contain no-repeat; mask: var(--lrw-icon) center / contain no-repeat; }"
    ]
    rules += [
        f'.lrwidget .lrw-icon-{name} {{ --lrw-icon: url("{_data_url(path)}"); }}' for name, path in _PATHS.items()
    ]
    return "\n".join(rules)


def _data_url(path: str) -> str:
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="{path}"/></svg>'
    return f"data:image/svg+xml,{quote(svg)}"
