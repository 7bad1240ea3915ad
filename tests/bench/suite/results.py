"""What was measured: gathered from several runs, as JSON."""

import datetime
import json
import os
import platform
from collections import Counter
from statistics import median

FORMAT = 1


class Results:
    """Cells by contestant and name: "up.1.rate" in octets a second, "rate.16.first" in microseconds, ..."""

    def __init__(self, data):
        self.data = data

    @classmethod
    def begin(cls, effort, quick):
        """Returns empty results of this machine, today."""
        machine = {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "kernel": platform.release(),
            "load_before": os.getloadavg()[0],
        }
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        shown = {"runs": effort.runs, "millis": effort.millis, "octets": effort.octets, "quick": quick}
        return cls({"format": FORMAT, "date": date, "machine": machine, "effort": shown, "contestants": {}, "cells": {}})

    @classmethod
    def read(cls, path):
        return cls(json.loads(path.read_text()))

    def write(self, path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(self.data | {"ratios": self.ratios()}, indent=1) + "\n")

    def enter(self, contestant, missing, version):
        """Adds a row."""
        self.data["contestants"][contestant.key] = {"name": contestant.name, "kind": contestant.kind} | (
            {"missing": missing} if missing else {"version": version}
        )
        self.data["cells"][contestant.key] = {}

    def add(self, key, measure, cells):
        """Adds what one run has measured."""
        for name, value in cells.items():
            self.data["cells"][key].setdefault(f"{measure}.{name}", {"values": []})["values"].append(value)

    def fail(self, key, measure, why):
        """Notes that a measure came to nothing in one run, and why."""
        self.data["cells"][key].setdefault(measure, {"failures": []})["failures"].append(why)

    def hopeless(self, key, measure):
        """Whether a measure has failed twice and never come to anything."""
        cells = self.data["cells"][key]
        failures = len(cells.get(measure, {}).get("failures", ()))
        return failures > 1 and not any(name.startswith(f"{measure}.") and "values" in cells[name] for name in cells)

    def settle(self):
        """Makes medians of values. A measure that failed in most runs has none, and in a few says so beside them."""
        runs = self.data["effort"]["runs"]
        for cells in self.data["cells"].values():
            for name, cell in cells.items():
                if values := cell.get("values"):
                    cell |= {"median": median(values), "least": min(values), "most": max(values), "sum": sum(values)}
            for name in [name for name, cell in cells.items() if "failures" in cell]:
                failures = cells[name]["failures"]
                cells[name]["why"] = Counter(failures).most_common(1)[0][0]
                if len(failures) * 2 < runs:
                    continue
                for other in [other for other in cells if other.startswith(f"{name}.") and "values" in cells[other]]:
                    del cells[other]

    def rows(self):
        """The contestants that were measured, with their keys."""
        return {key: one for key, one in self.data["contestants"].items() if "missing" not in one}

    def missing(self):
        """The contestants that were not, with the reason."""
        return {one["name"]: one["missing"] for one in self.data["contestants"].values() if "missing" in one}

    def value(self, key, name, what="median"):
        """A cell's value, or nothing."""
        return self.data["cells"].get(key, {}).get(name, {}).get(what)

    def why(self, key, name):
        """Why a measure came to nothing, or failed in some runs; how often, and of how many."""
        cell = self.data["cells"].get(key, {}).get(name, {})
        return (cell["why"], len(cell["failures"]), self.data["effort"]["runs"]) if "why" in cell else None

    def ratios(self):
        """Each cell of ours as a multiple of everybody else's."""
        found = {}
        for ours in (key for key, one in self.rows().items() if one["kind"] == "ours"):
            for name, cell in self.data["cells"][ours].items():
                for other in self.rows():
                    theirs = self.value(other, name)
                    if other != ours and theirs and cell.get("median") is not None:
                        found.setdefault(ours, {}).setdefault(name, {})[other] = round(cell["median"] / theirs, 3)
        return found


def cpu():
    """What the processor calls itself."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
