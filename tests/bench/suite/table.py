"""The results as Markdown, in the languages of the documents."""

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

WORDS = {
    "en": {
        "picture": "Throughput, CPU, new connections, round trip and memory of sockhop and its peers",
        "who": "",
        "bulk": ["{} connection, GB/s", "{} connections, GB/s"],
        "cpu": "CPU, s/GB",
        "ratio": "of the kernel alone",
        "jain": "fairness, {} connections",
        "stalls": "stalls",
        "small": [
            "connections/s, 1 client",
            "16 clients",
            "first octet, µs",
            "round trip, µs (99 %)",
            "added beside bulk, µs",
            "KiB each, {} idle",
            "opened in, s",
            "there and back",
        ],
        "pair": "up / down",
        "right": "whole",
        "names": {},
        "facts": "{date}, {cpu}, {cores} cores, Linux {kernel}, {runs}. `tests/bench/peers` measures it anew and writes this table.",
        "runs": ["one run", "medians of {} runs"],
        "legend": (
            "Each pair is up / down. Clients in one network namespace reach an origin in another over a veth, with Reno; sockhop and "
            "the SOCKS servers are asked by SOCKS5, tunnels (tun2proxy, passt, slirp4netns) are given plain TCP. CPU is user and "
            "system time of the process with its threads and children; what the kernel does for it in the time of client and origin "
            "is theirs, in the results as `machine`. Upward those octets count that the origin has heard. *Fairness* is Jain's index, up / "
            "down; a *stall* is 200 ms in which nothing moved on a connection; *first octet* is from connect() to the first echo; *added "
            "beside bulk* is what a bulk connection adds to another one's round trip, at the median; memory is what the process "
            "gains, not the kernel; *there and back* is a pattern in both directions at once, closed half by half."
        ),
        "failed": "{name}, {measure}: {why} ({failed} of {runs} runs)",
        "measures": {
            "up": "up with {}",
            "down": "down with {}",
            "rate": "new connections by {}",
            "ping": "round trip",
            "beside-up": "beside bulk up",
            "beside-down": "beside bulk down",
            "idle": "{} idle",
            "verify": "there and back",
        },
        "missing": "Not measured: {}.",
    },
    "zh": {
        "picture": "sockhop 与同类程序的吞吐量、CPU、新建连接、往返时间和内存",
        "who": "",
        "bulk": ["{} 条连接，GB/s", "{} 条连接，GB/s"],
        "cpu": "CPU，秒/GB",
        "ratio": "相对于纯内核",
        "jain": "公平性，{} 条连接",
        "stalls": "停顿",
        "small": [
            "每秒连接数，1 个客户端",
            "16 个客户端",
            "首字节，µs",
            "往返，µs（99 %）",
            "大流量旁的附加延迟，µs",
            "每连接 KiB，{} 条空闲",
            "打开用时，秒",
            "往返校验",
        ],
        "pair": "上行 / 下行",
        "right": "完整",
        "names": {
            "the kernel alone": "纯内核",
            "the same, by iperf3": "同上，由 iperf3 测量",
            "sockhop, TUN": "sockhop，TUN",
            "sockhop, TUN, 2 workers": "sockhop，TUN，2 个工作线程",
            "sockhop, TUN, no offload": "sockhop，TUN，无卸载",
            "sockhop, host socket": "sockhop，主机套接字",
            "fast-socks5 (example)": "fast-socks5（示例）",
        },
        "facts": "{date}，{cpu}，{cores} 核，Linux {kernel}，{runs}。`tests/bench/peers` 会重新测量并写入本表。",
        "runs": ["一次运行", "{} 次运行的中位数"],
        "legend": (
            "成对的数字是上行 / 下行。客户端在一个网络命名空间，源站在另一个，中间是 veth，拥塞控制为 Reno；sockhop 和 SOCKS 服务器以 "
            "SOCKS5 访问，隧道（tun2proxy、passt、slirp4netns）承载普通 TCP。CPU 是进程及其线程、子进程的用户态和内核态时间；内核在客户端与源站的"
            "时间里所做的工作算在它们头上，结果文件中记为 `machine`。上行只计源站收到的字节。*公平性*是 Jain 指数（上行 / 下行）；*停顿*指某条连接 200 ms "
            "内没有任何数据移动；*首字节*从 connect() 到第一个回显；*附加延迟*是一条大流量连接给另一条连接的往返中位数增加的时间；"
            "内存是进程的增量，不含内核；*往返校验*是双向同时传输的图案，并逐半关闭。"
        ),
        "failed": "{name}，{measure}：{why}（{runs} 次中 {failed} 次）",
        "measures": {
            "up": "{} 条连接上行",
            "down": "{} 条连接下行",
            "rate": "{} 个客户端新建连接",
            "ping": "往返",
            "beside-up": "上行大流量旁",
            "beside-down": "下行大流量旁",
            "idle": "{} 条空闲",
            "verify": "往返校验",
        },
        "missing": "未测量：{}。",
    },
}


class Table:
    """Rows of cells, in one language; what is empty gets a note."""

    def __init__(self, results, language):
        self.results, self.words, self.notes = results, WORDS[language], []

    def row(self, key, cells):
        row = self.results.rows()[key]
        name = self.name(key)
        mark = "**" if row["kind"] == "ours" else ""
        return "| " + " | ".join([f"{mark}{name}{mark}", *cells]) + " |"

    def name(self, key):
        name = self.results.data["contestants"][key]["name"]
        return self.words["names"].get(name, name)

    def one(self, key, cell, scale=1.0, form=None):
        """A figure, or a dash with a note on why there is none."""
        value = self.results.value(key, cell)
        noted = self.note(key, cell)
        if value is None:
            return f"–{noted}"
        return (form or figure)(value * scale) + noted

    def two(self, key, up, down, scale=1.0, form=None):
        """Both directions."""
        both = [self.one(key, up, scale, form), self.one(key, down, scale, form)]
        return "–" if both == ["–", "–"] else " / ".join(both)

    def note(self, key, cell):
        """The mark of a note on what failed, if something did."""
        for measure in (cell, cell.rpartition(".")[0]):
            if failed := self.results.why(key, measure):
                why, failures, runs = failed
                said = {"name": self.name(key), "measure": self.spoken(measure), "why": why, "failed": failures, "runs": runs}
                words = self.words["failed"].format(**said)
                if words not in self.notes:
                    self.notes.append(words)
                return f"<sup>{self.notes.index(words) + 1}</sup>"
        return ""

    def spoken(self, measure):
        """A measure's name as a person would say it."""
        name, _, count = measure.partition(".")
        form = self.words["measures"].get(name, name)
        return form.format(f"{int(count):,}") if count else form

    def ratio(self, key, direction, count):
        """Throughput as a part of the kernel's alone."""
        ours, alone = (self.results.value(one, f"{direction}.{count}.rate") for one in (key, "direct"))
        return f"{ours / alone:.0%}".replace("%", " %") if ours and alone and key != "direct" else "–"

    def stalls(self, key, counts):
        """All stalls of all runs."""
        cells = [f"{way}.{count}.stalls" for way in ("up", "down") for count in counts]
        found = [self.results.value(key, cell, "sum") for cell in cells]
        return f"{sum(one for one in found if one is not None):.0f}" if any(one is not None for one in found) else "–"

    def bulk(self, counts):
        words = self.words
        head = [words["who"], *(words["bulk"][count > 1].format(count) for count in counts), words["cpu"], words["ratio"]]
        rows = []
        for key in self.results.rows():
            cells = [self.two(key, f"up.{count}.rate", f"down.{count}.rate", 1e-9) for count in counts]
            cells.append(self.two(key, "up.1.cpu", "down.1.cpu"))
            parts = [self.ratio(key, way, counts[0]) for way in ("up", "down")]
            cells.append("–" if parts == ["–", "–"] else " / ".join(parts))
            cells.append(self.two(key, f"up.{counts[-1]}.jain", f"down.{counts[-1]}.jain"))
            cells.append(self.stalls(key, counts))
            rows.append(self.row(key, cells))
        return self.whole([*head, words["jain"].format(counts[-1]), words["stalls"]], rows)

    def small(self, held):
        words = self.words
        head = [words["who"], *words["small"]]
        head[6] = head[6].format(" / ".join(f"{count:,}" for count in held))
        rows = []
        # Whoever was only asked for bulk has nothing to say here.
        asked = [key for key in self.results.rows() if key != "iperf3"]
        for key in asked:
            cells = [self.one(key, "rate.1.rate"), self.one(key, "rate.16.rate"), self.one(key, "rate.1.first")]
            cells.append(f"{self.one(key, 'ping.median')} ({self.one(key, 'ping.p99')})")
            cells.append(self.two(key, "beside-up.added", "beside-down.added"))
            idle = [self.one(key, f"idle.{count}.memory", 1 / 1024) for count in held]
            cells.append("–" if set(idle) == {"–"} else " / ".join(idle))
            cells.append(" / ".join(self.one(key, f"idle.{count}.seconds") for count in held))
            cells.append(self.one(key, "verify.octets", form=lambda _: words["right"]))
            rows.append(self.row(key, cells))
        return self.whole(head, rows)

    def whole(self, head, rows):
        return "\n".join([f"| {' | '.join(head)} |", "|---|" + "--:|" * (len(head) - 1), *rows])


def markdown(results, language):
    """Returns what stands between the marks of a document."""
    words, table = WORDS[language], Table(results, language)
    names = {name for cells in results.data["cells"].values() for name in cells}
    counts = sorted({int(name.split(".")[1]) for name in names if name.startswith("up.") and name.endswith(".rate")})
    held = sorted({int(name.split(".")[1]) for name in names if name.startswith("idle.") and name.endswith(".seconds")})
    data, machine = results.data, results.data["machine"]
    runs = data["effort"]["runs"]
    facts = words["facts"].format(
        date=data["date"],
        cpu=machine["cpu"],
        cores=machine["cores"],
        kernel=machine["kernel"].split("-")[0],
        runs=words["runs"][runs > 1].format(runs),
    )
    parts = [f"![{words['picture']}](docs/bench.svg)", facts]
    parts += [table.bulk(counts)] if counts else []
    parts += [table.small(held)]
    parts.append("<sub>" + words["legend"] + "</sub>")
    notes = [f"{number}. {note}" for number, note in enumerate(table.notes, 1)]
    parts += ["\n".join(notes)] if notes else []
    versions = [f"{table.name(key)} {one['version']}" for key, one in results.rows().items() if one["kind"] in ("socks", "tunnel")]
    absent = [f"{words['names'].get(name, name)} ({why})" for name, why in results.missing().items()]
    last = ([", ".join(versions) + "."] if versions else []) + ([words["missing"].format("; ".join(absent))] if absent else [])
    parts += [f"<sub>{' '.join(last)}</sub>"] if last else []
    return "\n\n".join(parts)


def insert(path, text):
    """Writes the text between the marks of a document; returns whether it has them."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    return True


def figure(value):
    """A value with about three digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
