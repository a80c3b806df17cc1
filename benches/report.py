"""Data to a table and to plots; nothing here is measured."""

import html


def table(columns, rows):
    lines = ["| " + " | ".join(title for title, _ in columns) + " |"]
    lines.append("| " + " | ".join("---" if index == 0 else "---:" for index, _ in enumerate(columns)) + " |")
    for row in rows:
        lines.append("| " + " | ".join(str(read(row)) for _, read in columns) + " |")
    return "\n".join(lines) + "\n"


def bars(title, unit, groups):
    """Groups of horizontal bars: [(group, [(label, value)])]."""
    height = 40 + sum(26 + 20 * len(values) for _, values in groups)
    largest = max((value for _, values in groups for _, value in values), default=1) or 1
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="760" height="{height}" fill="#fff"/>',
        f'<text x="10" y="20" font-size="14">{html.escape(title)} ({html.escape(unit)})</text>',
    ]
    y = 40
    for group, values in groups:
        parts.append(f'<text x="10" y="{y + 12}" font-weight="bold">{html.escape(group)}</text>')
        y += 20
        for label, value in values:
            width = round(440 * value / largest, 1)
            colour = "#2a6f97" if label.startswith("gatewright") else "#a9b4bd"
            parts.append(f'<text x="20" y="{y + 12}">{html.escape(label)}</text>')
            parts.append(f'<rect x="200" y="{y}" width="{width}" height="15" fill="{colour}"/>')
            parts.append(f'<text x="{206 + width}" y="{y + 12}">{value:g}</text>')
            y += 20
        y += 6
    parts.append("</svg>\n")
    return "\n".join(parts)
