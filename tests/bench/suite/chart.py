"""The results as a picture: a row for each contestant, a column for each question, and bars on scales of their own."""

from html import escape
from statistics import median

WIDTH, LABELS, MARGIN = 880, 166, 22
ROW, GAP, BAR = 31, 25, 10
# Room behind a bar for its figure.
FIGURE = 40
GROUPS = {"kernel": "no proxy", "ours": "sockhop", "socks": "SOCKS servers", "tunnel": "tunnels, without SOCKS"}
STYLE = """
.back{fill:#fff;stroke:#dfe3ea}.hair{stroke:#eceff4}.wash{fill:#1f5fd0;fill-opacity:.055}.tear{stroke:#fff;stroke-width:2}
text{font-family:Inter,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;fill:#151a26;font-size:12px}
.title{font-size:17px;font-weight:650;letter-spacing:-.01em}.name{font-weight:500}.ours .name{font-weight:650;fill:#1f5fd0}
.dim,.group,.unit{fill:#5b6475}.dim{font-size:11px}.group{font-size:10.5px;font-weight:600}.head{font-weight:600;font-size:11.5px}
.unit{font-size:10.5px}.value{font-size:10.5px;font-variant-numeric:tabular-nums}.ours .value{font-weight:600}
.bar{fill:#8d97a8}.kernel .bar{fill:#5b6475}.ours .bar{fill:#1f5fd0}.second{fill-opacity:.5}
@media (prefers-color-scheme:dark){
.back{fill:#0e1117;stroke:#2b3341}.hair{stroke:#212834}.wash{fill:#74a7ff;fill-opacity:.08}.tear{stroke:#0e1117}
text{fill:#e8ecf3}.ours .name{fill:#74a7ff}.dim,.group,.unit{fill:#9aa4b5}
.bar{fill:#66728a}.kernel .bar{fill:#9aa4b5}.ours .bar{fill:#74a7ff}}
"""


class Column:
    """A question: its heading, the cells that answer it, and how a figure is written."""

    def __init__(self, heading, unit, cells, scale, more):
        self.heading, self.unit, self.cells, self.scale, self.more = heading, unit, cells, scale, more

    def values(self, results, key):
        found = [results.value(key, cell) for cell in self.cells]
        return [None if value is None else value * self.scale for value in found]

    def longest(self, results):
        """The value of a whole bar; one far beyond the others is cut, and its figure says what it is."""
        values = [value for key in results.rows() for value in self.values(results, key) if value is not None]
        if not any(values):
            return 1
        usual = median(values)
        return 4 * usual if max(values) > 6 * usual > 0 else max(values)


def columns(results):
    """The questions, as far as there are answers."""
    names = {name for cells in results.data["cells"].values() for name in cells}
    counts = sorted({int(name.split(".")[1]) for name in names if name.startswith("up.") and name.endswith(".rate")})
    held = max((int(name.split(".")[1]) for name in names if name.startswith("idle.") and name.endswith(".memory")), default=0)
    many = counts[-1] if counts else 1

    def both(count, what):
        return [f"up.{count}.{what}", f"down.{count}.{what}"]

    return [
        Column("1 connection", "GB/s", both(1, "rate"), 1e-9, True),
        Column(f"{many} connections", "GB/s", both(many, "rate"), 1e-9, True),
        Column("CPU, 1 connection", "s for each GB", both(1, "cpu"), 1, False),
        Column("New connections", "1,000 a second", ["rate.16.rate"], 1e-3, True),
        Column("Round trip", "µs, one octet", ["ping.median"], 1, False),
        Column("Memory", f"KiB, {held:,} idle, each", [f"idle.{held}.memory"], 1 / 1024, False),
    ]


def svg(results):
    """Returns the picture."""
    shown = columns(results)
    wide = (WIDTH - LABELS - 2 * MARGIN) / len(shown)
    places = [MARGIN + LABELS + wide * number for number in range(len(shown))]
    limits = [column.longest(results) for column in shown]
    parts = [text(MARGIN, 36, "title", "What it carries, and what that costs")]
    for column, x in zip(shown, places):
        parts += [text(x, 70, "head", column.heading), text(x, 84, "unit", column.unit)]
        parts.append(text(x, 97, "unit", "more is better" if column.more else "less is better"))
    y, group = 104, None
    for key, row in results.rows().items():
        if key == "iperf3":
            # It measures the kernel once more, as a check on the load; the table has it.
            continue
        if row["kind"] != group:
            group = row["kind"]
            parts.append(f'<path class="hair" d="M{MARGIN} {y + 6}H{WIDTH - MARGIN}"/>')
            parts.append(text(MARGIN, y + 21, "group", GROUPS[group]))
            y += GAP
        bars = [bar_of(column, results, key, x, y, wide, limit) for column, x, limit in zip(shown, places, limits)]
        wash = f'<rect class="wash" x="{MARGIN - 8}" y="{y}" width="{WIDTH - 2 * MARGIN + 16}" height="{ROW}" rx="5"/>'
        name = text(MARGIN, y + 19, "name", row["name"])
        parts.append(f'<g class="{group}">{wash if group == "ours" else ""}{name}{"".join(bars)}</g>')
        y += ROW
    parts.append(f'<path class="hair" d="M{MARGIN} {y + 8}H{WIDTH - MARGIN}"/>')
    parts += legend(results, y + 28)
    height = y + 66
    back = f'<rect class="back" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="12"/>'
    label = "Bars that compare sockhop with other SOCKS servers and tunnels; the README's table has the same figures"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{label}">\n<style>{STYLE}</style>\n{back}\n' + "\n".join(parts) + "\n</svg>\n"
    )


def bar_of(column, results, key, x, y, wide, limit):
    """One contestant's answer to one question: a bar, or two for both directions."""
    values = column.values(results, key)
    thick = BAR if len(values) > 1 else 11
    top = y + (ROW - len(values) * (thick + 1) + 1) / 2
    drawn = []
    for number, value in enumerate(values):
        at = top + number * (thick + 1)
        middle = at + thick / 2 + 3.6
        if value is None:
            drawn.append(text(x, middle, "value", "–" if results.rows()[key]["kind"] != "kernel" or column.more else ""))
            continue
        length = max(1.5, min(value / limit, 1) * (wide - FIGURE - 10))
        second = " second" if number else ""
        drawn.append(f'<rect class="bar{second}" x="{x:.1f}" y="{at:.1f}" width="{length:.1f}" height="{thick}" rx="1.5"/>')
        if value > limit * 1.001:
            end = x + length - 11
            drawn += [f'<path class="tear" d="M{end + step:.1f} {at + thick + 1:.1f}l4 -{thick + 2}"/>' for step in (0, 4)]
        drawn.append(text(x + length + 4, middle, "value", figure(value)))
    return "".join(drawn)


def legend(results, y):
    """What the tints mean, and what was measured where."""
    data, machine = results.data, results.data["machine"]
    x = MARGIN
    parts = ['<g class="ours">']
    for second, what in ("", "up, from client to origin"), (" second", "down"):
        parts.append(f'<rect class="bar{second}" x="{x}" y="{y - 9}" width="16" height="9" rx="1.5"/>')
        parts.append(text(x + 22, y, "dim", what))
        x += 172
    parts.append("</g>")
    parts.append(text(x - 90, y, "dim", "CPU and memory are the process's own, its threads and children included"))
    runs = data["effort"]["runs"]
    processor = machine["cpu"].replace("(R)", "").replace("(TM)", "")
    where = f"{processor}, {machine['cores']} cores, Linux {machine['kernel'].split('-')[0]}"
    counted = f"medians of {runs} runs" if runs > 1 else "one run"
    parts.append(text(MARGIN, y + 20, "dim", f"{where}; {counted} on {data['date']}, client and origin on the same cores"))
    return parts


def figure(value):
    """A value with about three digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def text(x, y, kind, words):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(str(words))}</text>'
