"""What compare.py found, as a table in Markdown and as a plot in SVG."""

import statistics

import svg

COLUMNS = [  # key, heading, digits, is more better
    ("prefill_tok_s", "prefill, tok/s", 0, True),
    ("decode_tok_s", "decode, tok/s", 1, True),
    ("first_token_s", "load to first token, s", 2, False),
    ("peak_rss_mb", "peak memory, MB", 0, False),
]
PANELS = COLUMNS[:2]
LOADS = {"quiet": "", "busy": ", beside a busy process"}


def median(runs, key):
    """None where the engine does not tell."""
    values = [run[key] for run in runs if key in run]
    return statistics.median(values) if values else None


def cell(ours, theirs, digits, more_is_better):
    if theirs is None:
        return ""
    text = f"{theirs:.{digits}f}"
    if ours is None or ours == theirs:
        return text
    ratio = ours / theirs if more_is_better else theirs / ours
    return f"{text} ({ratio:.2f}x)"


def describe(machine):
    devices = "; ".join(f"{d['name']}, {d['driver']}" for d in machine["devices"])
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB; {devices}; "
            f"{machine['library'].get('compiler', 'compiler unknown')}.")


def versions(report):
    found = {run["version"] for result in report["results"] for runs in result["engines"].values() for run in runs
             if "version" in run}
    return ", ".join(sorted(found))


def table(report):
    machine = report["machine"]
    lines = [
        "# End to end",
        "",
        f"A prompt of {machine['prompt_tokens']} tokens, then {machine['decode_tokens']} single tokens; {machine['threads']} "
        f"threads; medians of {machine['runs']} runs of each engine, in turn. In brackets: how much better libinference "
        "is, above 1 where it is.",
        "",
        describe(machine),
        f"{versions(report)}." if versions(report) else "",
    ]
    for result in report["results"]:
        ours = result["engines"]["libinference"]
        lines += ["", f"## {result['model']}{LOADS[result['load']]}", "",
                  "| | " + " | ".join(heading for _, heading, _, _ in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        for name, runs in result["engines"].items():
            cells = [cell(median(ours, key), median(runs, key), digits, more) for key, _, digits, more in COLUMNS]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        others = max(run["others"] for runs in result["engines"].values() for run in runs)
        lines += ["", f"Decode reads {median(ours, 'share_of_read_bandwidth'):.0%} of what a kernel that only reads reaches "
                      f"({median(ours, 'read_gb_s'):.1f} GB/s). Processes beside the runs took at most {others:.0%} of the "
                      "cores."]
    return "\n".join(lines) + "\n"


def plot(report):
    """A panel for prefill and one for decode; a group of bars for each model and load."""
    results, names = report["results"], list(report["results"][0]["engines"])
    bar, gap, height, top = 28, 44, 260, 90
    group = bar * len(names) + gap
    width = max(520, group * len(results) + gap)
    out = svg.Svg(60 + (width + 60) * len(PANELS), top + height + 90)
    out.text(60, 26, "Prompt and decode, tokens a second", 16, bold=True)
    out.text(60, 44, describe(report["machine"]), 9, color="#555")
    for i, name in enumerate(names):
        out.rect(60 + i * 190, 56, 12, 12, svg.COLORS[i % len(svg.COLORS)])
        out.text(76 + i * 190, 66, name, 11)
    for panel, (key, heading, digits, _) in enumerate(PANELS):
        left = 60 + panel * (width + 60)
        most = max(median(runs, key) for result in results for runs in result["engines"].values()) * 1.08
        out.text(left, top + height + 76, heading, 12, bold=True)
        out.line(left, top + height, left + width, top + height)
        for r, result in enumerate(results):
            x = left + gap / 2 + r * group
            for i, (name, runs) in enumerate(result["engines"].items()):
                value = median(runs, key)
                tall = height * value / most
                out.rect(x + i * bar, top + height - tall, bar - 3, tall, svg.COLORS[i % len(svg.COLORS)],
                         1.0 if result["load"] == "quiet" else 0.55, f"{name}: {value:.{digits}f}")
                out.text(x + i * bar + (bar - 3) / 2, top + height - tall - 3, f"{value:.0f}", 9, "middle")
            middle = x + (bar * len(names) - 3) / 2
            out.text(middle, top + height + 16, result["model"][:18], 9, "middle")
            out.text(middle, top + height + 30, "one core busy" if result["load"] == "busy" else "quiet", 9, "middle", "#777")
    return str(out)
