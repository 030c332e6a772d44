# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bar chart as SVG: for each row the time of ours as a share of the peer's, on a logarithmic axis."""

import math

WIDTH, LABEL, RIGHT, TOP, PITCH, BAR = 1000, 430, 70, 74, 30, 16
FROM, TO = 0.02, 20
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20)
MET, MISSED, GOAL, INK, FAINT = "#2f7d4f", "#c0632b", "#1c4f8a", "#222222", "#d8d8d8"


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def place(value):
    """Where a ratio is on the axis; what lies beyond it is drawn at its end."""
    share = math.log(min(max(value, FROM), TO) / FROM) / math.log(TO / FROM)
    return LABEL + share * (WIDTH - LABEL - RIGHT)


def _text(x, y, text, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _axis(height):
    for tick in TICKS:
        x = place(tick)
        colour, width = (INK, 1.5) if tick == 1 else (FAINT, 1)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height - 20}" stroke="{colour}" stroke-width="{width}"/>'
        yield _text(x, TOP - 14, f"{tick:g}", "middle")


def _row(found, y):
    yield _text(LABEL - 10, y + 9, found["name"], "end")
    yield _text(LABEL - 10, y + 21, found["peer"], "end", ' font-size="10" fill="#666666"')
    if found["failed"]:
        yield _text(place(FROM) + 4, y + 14, "failed", more=f' fill="{MISSED}"')
        return
    # Bars begin at the left end: their length is not a share, the axis is logarithmic.
    x, end = place(FROM), place(found["ratio"])
    colour = MET if found["ratio"] <= found["goal"] else MISSED
    yield f'<rect x="{x:.1f}" y="{y}" width="{max(end - x, 1):.1f}" height="{BAR}" fill="{colour}"/>'
    goal = place(found["goal"])
    yield f'<line x1="{goal:.1f}" y1="{y - 3}" x2="{goal:.1f}" y2="{y + BAR + 3}" stroke="{GOAL}" stroke-width="2.5"/>'
    yield _text(WIDTH - 6, y + 13, f"{found['ratio']:.2f}", "end", ' font-weight="bold"')


def draw(results):
    height = TOP + PITCH * len(results) + 24
    parts = ["<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->",
             f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" font-family="sans-serif" font-size="12" fill="{INK}">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             _text(10, 22, "Time of virt-backup / time of the peer (shorter is faster; logarithmic)",
                   more=' font-size="15" font-weight="bold"'),
             f'<rect x="10" y="34" width="12" height="12" fill="{MET}"/>', _text(26, 44, "within the goal"),
             f'<rect x="130" y="34" width="12" height="12" fill="{MISSED}"/>', _text(146, 44, "beyond it"),
             f'<line x1="226" y1="32" x2="226" y2="48" stroke="{GOAL}" stroke-width="2.5"/>', _text(234, 44, "goal"),
             *_axis(height)]
    for number, found in enumerate(results):
        parts += _row(found, TOP + PITCH * number)
    return "\n".join([*parts, "</svg>"]) + "\n"
