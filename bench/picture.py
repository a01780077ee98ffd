"""The picture of docs/performance.md as SVG: how near every network comes to the machine's limit, and the epochs of the
examples beside the peers'."""
import math
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, GAP, FONT = 860, 170, 11, 7, 12
COLOURS = {"one": "#1f5f8b", "two": "#8fc1e3", "xent": "#1f5f8b", "peer": "#b0b0b0", "grid": "#d9d9d9"}
SHORTEST, LONGEST = 0.1, 100  # seconds, of the logarithmic axis


class Drawing:
    def __init__(self):
        self.parts, self.y = [], 0

    def text(self, x, y, words, anchor="start", weight="normal", size=FONT):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
                          f'font-size="{size}">{escape(words)}</text>')

    def bar(self, y, length, colour, words):
        self.parts.append(f'<rect x="{LABEL}" y="{y:.1f}" width="{max(length, 0.5):.1f}" height="{BAR}" '
                          f'fill="{COLOURS[colour]}"/>')
        self.text(LABEL + max(length, 0.5) + 4, y + BAR - 1.5, words, size=10)

    def title(self, words, more=""):
        self.y += 26
        self.text(10, self.y, words, weight="bold", size=14)
        if more:
            self.y += 16
            self.text(10, self.y, more, size=11)
        self.y += 10

    def legend(self, rows):
        x = LABEL
        self.y += 4
        for colour, words in rows:
            self.parts.append(f'<rect x="{x}" y="{self.y}" width="{BAR}" height="{BAR}" fill="{COLOURS[colour]}"/>')
            self.text(x + BAR + 5, self.y + BAR - 1, words)
            x += 110
        self.y += BAR + 8

    def grid(self, top, at, words):
        for x, word in zip(at, words, strict=True):
            self.parts.insert(0, f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{self.y}" '
                                 f'stroke="{COLOURS["grid"]}"/>')
            self.text(x, self.y + 13, word, "middle", size=10)
        self.y += 18

    def svg(self):
        height = self.y + 10
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
                f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" fill="#202020">\n'
                f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def _percents(drawing, rows):
    room = WIDTH - LABEL - 60
    top = drawing.y
    for name, values in rows:
        shown = [(value, colour) for value, colour in zip(values, ("one", "two"), strict=True) if value is not None]
        drawing.text(LABEL - 8, drawing.y + GAP / 2 + len(shown) * BAR / 2 + 4, name, "end")
        drawing.y += GAP / 2
        for value, colour in shown:
            drawing.bar(drawing.y, room * min(value, 105) / 100, colour, f"{value:.0f}")
            drawing.y += BAR
        drawing.y += GAP / 2
    drawing.grid(top, [LABEL + room * part / 100 for part in range(0, 101, 25)],
                 [f"{part} %" for part in range(0, 101, 25)])


def _epochs(drawing, title, rows):
    room = WIDTH - LABEL - 60
    place = lambda seconds: room * math.log(seconds / SHORTEST) / math.log(LONGEST / SHORTEST)  # noqa: E731
    drawing.y += 6
    drawing.text(10, drawing.y + 10, title, weight="bold")
    drawing.y += 16
    top = drawing.y
    for name, value in rows:
        if value is None:
            continue
        drawing.text(LABEL - 8, drawing.y + BAR - 1, name, "end")
        drawing.bar(drawing.y, place(min(max(value, SHORTEST), LONGEST)), "xent" if name == "xent" else "peer",
                    f"{value:.2f} s")
        drawing.y += BAR + GAP / 2
    ticks = (0.1, 1, 10, 100)
    drawing.grid(top, [LABEL + place(seconds) for seconds in ticks], [f"{seconds:g} s" for seconds in ticks])


def draw(models, epochs):
    """models: (name, [percent with 1 thread, with 2], small batch?); epochs: (title, [(contender, seconds)])."""
    drawing = Drawing()
    for small, title, more in (
            (False, "Training steps: % of what fma reaches on the same cores",
             "batches of 48 and more; floating-point operations of the step over the machine's measured peak"),
            (True, "Small batches: % of the roofline",
             "less than 48 examples a step, where reading and writing the weights takes longer than computing")):
        rows = [(name, values) for name, values, is_small in models if is_small == small]
        if rows:
            drawing.title(title, more)
            drawing.legend([("one", "1 thread"), ("two", "2 threads")])
            _percents(drawing, rows)
    if epochs:
        drawing.title("Seconds of an epoch of 60,000 images", "logarithmic; shorter is better")
        for title, rows in epochs:
            _epochs(drawing, title, rows)
    return drawing.svg()
