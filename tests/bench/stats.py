"""Rows of the bench: what was measured, against what, and whether the goal is met."""
import json
import statistics


def median(values):
    return statistics.median(values) if values else None


def quartiles(values):
    """[25 %, 75 %] of the values."""
    if len(values) < 2:
        return [values[0], values[0]] if values else None
    cut = statistics.quantiles(values, n=4, method="inclusive")
    return [cut[0], cut[2]]


def rounded(value):
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


class Rows:
    """Collects rows; a goal is a limit on `ratio` when there is a peer, else on `ours`."""

    def __init__(self):
        self.rows = []

    def add(self, name, unit, ours, peer=None, ratio=None, spread=None, runs=1, goal=None, note=""):
        if ratio is None and peer:
            ratio = ours / peer
        judged = ratio if peer is not None else ours
        row = {"name": name, "unit": unit, "ours": ours, "peer": peer, "ratio": ratio, "spread": spread, "runs": runs, "goal": goal,
               "met": None if goal is None or judged is None else judged <= goal, "note": note}
        self.rows.append({key: rounded(value) for key, value in row.items()})

    def add_pairs(self, name, unit, ours, peer, goal=None, note=""):
        """Two series measured in turn, [i] right after [i]: the ratio is the median over the pairs, the spread their middle half."""
        ratios = [a / b for a, b in zip(ours, peer)]
        if ratios:
            self.add(name, unit, median(ours), median(peer), median(ratios), quartiles(ratios), len(ratios), goal, note)

    def add_series(self, name, unit, values, goal=None, note=""):
        """A series without a peer; the spread is in the unit."""
        if values:
            self.add(name, unit, median(values), spread=quartiles(values), runs=len(values), goal=goal, note=note)

    def write(self, path, facts):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"machine": facts, "rows": self.rows}, file, indent=1)
            file.write("\n")

    def table(self):
        head = ("", "unit", "ours", "peer", "ratio", "spread", "runs", "goal", "")
        lines = [head]
        for r in self.rows:
            spread = "" if r["spread"] is None else "{:g} .. {:g}".format(*[float(f"{v:.3g}") for v in r["spread"]])
            verdict = {None: "", True: "met", False: "MISSED"}[r["met"]]
            goal = "" if r["goal"] is None else f"<= {r['goal']:g}"
            lines.append((r["name"], r["unit"], *("" if r[k] is None else f"{r[k]:.3g}" if abs(r[k]) < 1000 else f"{r[k]:.0f}" for k in ("ours", "peer", "ratio")),
                          spread, str(r["runs"]), goal, verdict))
        width = [max(len(line[i]) for line in lines) for i in range(len(head))]
        left = (0, 1, 8)
        return "\n".join("  ".join(cell.ljust(width[i]) if i in left else cell.rjust(width[i]) for i, cell in enumerate(line)).rstrip() for line in lines)
