"""A few shapes as SVG text: what the plots of this folder are made of."""

from xml.sax.saxutils import escape

COLORS = ["#1f6feb", "#d1862b", "#3a9d5d", "#a03fb5", "#c23b3b", "#5b6b7a"]


class Svg:
    def __init__(self, width, height):
        self.width, self.height, self.parts = width, height, []

    def rect(self, x, y, width, height, fill, opacity=1.0, title=None):
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
                          f'fill-opacity="{opacity}">{inner}</rect>')

    def line(self, x1, y1, x2, y2, color="#333", width=1.0, dash=None):
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" '
                          f'stroke-width="{width}"{dashed}/>')

    def circle(self, x, y, radius, fill, title=None):
        inner = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" fill-opacity="0.8">{inner}</circle>')

    def text(self, x, y, text, size=12, anchor="start", color="#222", bold=False, turn=None):
        weight = ' font-weight="bold"' if bold else ""
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}"'
                          f'{weight}{turned}>{escape(text)}</text>')

    def __str__(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" font-family="sans-serif">')
        return "\n".join([head, f'<rect width="{self.width}" height="{self.height}" fill="#fff"/>', *self.parts, "</svg>", ""])
