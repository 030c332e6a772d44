# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table and the chart, made of raw figures."""

import os
import statistics

from vbbench import chart

KIB, MIB = 1 << 10, 1 << 20
# What the formula for the number of children leaves to everything that is not a child.
RESERVE = 256 * MIB


def median(runs, field):
    values = [run[field] for run in runs if run.get(field) is not None]
    return statistics.median(values) if values else None


def planned_memory(plan):
    """What --dry-run promises for all processes together."""
    if plan is None:
        return None
    if "memory" in plan:
        return plan["memory"]
    return plan["children"] * plan["memory-per-child"] + RESERVE


def efficiency(side, cores):
    """(codec CPU time) / (children x wall): as virt-backup says it, else from its CPU time as a whole."""
    said = [run["bottleneck"]["codec-efficiency-percent"] / 100 for run in side["runs"]
            if (run.get("bottleneck") or {}).get("codec-efficiency-percent") is not None]
    if said:
        return statistics.median(said)
    children = min(cores, side["plan"]["children"]) if side.get("plan") else cores
    return statistics.median(run["cpu"] / (children * run["wall"]) for run in side["runs"])


def rounded(ratio):
    """As the table shows it, and as it is compared."""
    return round(ratio, 3 if ratio >= 0.1 else 4)


def _missed(found, row):
    """Which of the goals of a row are not met."""
    time = ((row.wall is None or found["ratio"] <= row.wall) and
            (row.more_s is None or found["ours_wall"] - found["peer_wall"] <= row.more_s))
    size = ((row.size is None or found["size_ratio"] is None or rounded(found["size_ratio"]) <= row.size) and
            (row.most is None or found["ours_size"] <= row.most))
    read = row.read is None or (found["read_ratio"] is not None and rounded(found["read_ratio"]) <= row.read)
    return [name for name, met in (("time", time), ("size", size), ("what is read", read)) if not met]


def result(row, data):
    """All that the table says of a row; with "failed" if it could not be measured."""
    group = data["groups"].get(row.group)
    found = {"name": row.name, "peer": row.peer, "goal": row.wall, "goal_size": row.size, "goal_more_s": row.more_s,
             "goal_bytes": row.most, "goal_read": row.read, "failed": None, "group": row.group, "disk": (group or {}).get("disk", "")}
    if group is None:
        return found | {"failed": "not measured"}
    for label in ("", row.ours, row.peer, row.beyond):
        if label in group["failed"]:
            return found | {"failed": f"{label}: {group['failed'][label]}" if label else group["failed"][label]}
    ours, peer = group["sides"][row.ours], group["sides"][row.peer]
    if not ours["runs"] or not peer["runs"]:
        return found | {"failed": "not measured"}
    for name, side in (("ours", ours), ("peer", peer)):
        found |= {f"{name}_{field}": median(side["runs"], field) for field in ("wall", "cpu", "peak", "size", "read")}
        found[f"{name}_range"] = [min(run["wall"] for run in side["runs"]), max(run["wall"] for run in side["runs"])]
    if row.beyond:
        found["ours_wall"] = max(0.0, found["ours_wall"] - median(group["sides"][row.beyond]["runs"], "wall"))
    found["ratio"] = found["ours_wall"] / found["peer_wall"]
    found["size_ratio"] = found["ours_size"] / found["peer_size"] if found["ours_size"] and found["peer_size"] else None
    found["read_ratio"] = found["ours_read"] / found["peer_read"] if found["ours_read"] and found["peer_read"] else None
    found["plan"] = planned_memory(ours.get("plan"))
    found["efficiency"] = efficiency(ours, data["machine"]["cores"])
    found["rounds"] = min(len(ours["runs"]), len(peer["runs"]))
    found["missed"] = _missed(found, row)
    found["met"] = not found["missed"]
    found["in_plan"] = found["plan"] is None or max(run["peak"] for run in ours["runs"]) <= found["plan"]
    return found


def seconds(value):
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _mib(value):
    return "" if value is None else f"{value / MIB:.0f}"


def _goal(found):
    if found["goal_more_s"] is not None:
        return f"+{found['goal_more_s']:g} s"
    return "" if found["goal"] is None else f"{found['goal']:g}"


def _size(found):
    if found["goal_bytes"] is not None:
        return f"{found['ours_size'] / KIB:.0f} KiB ({found['goal_bytes'] / KIB:g})"
    if found["goal_read"] is not None:
        return "" if found["read_ratio"] is None else f"read: {rounded(found['read_ratio'])} ({found['goal_read']:g})"
    if found["size_ratio"] is None:
        return ""
    goal = f" ({found['goal_size']:g})" if found["goal_size"] else ""
    return f"{rounded(found['size_ratio'])}{goal}"


def _met(found):
    return "yes" if found["met"] else f"no: {' and '.join(found['missed'])}"


def _line(found):
    if found["failed"]:
        return f"| {found['name']} | {found['peer']} | | | **failed** | {_goal(found)} | no |" + " |" * 5
    size = _size(found)
    plan = "" if found["plan"] is None else f" ({_mib(found['plan'])})"
    return (f"| {found['name']} | {found['peer']} | {seconds(found['ours_wall'])} | {seconds(found['peer_wall'])} | "
            f"**{found['ratio']:.2f}** | {_goal(found)} | {_met(found)} | {size} | "
            f"{seconds(found['ours_cpu'])} / {seconds(found['peer_cpu'])} | "
            f"{_mib(found['ours_peak'])}{plan} / {_mib(found['peer_peak'])} | {found['efficiency']:.2f} | "
            f"{found['rounds']} |")


def _head(data):
    machine = data["machine"]
    yield "# What was measured\n"
    yield "Made by:\n"
    yield "```\n" + "\n".join(data["commands"]) + "\n```\n"
    yield (f"{machine['CPU']}, {machine['cores']} cores, {machine['memory']} of memory; {machine['system']}, "
           f"{machine['kernel']}; {machine['file system']}.")
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in data["versions"].items()) + ".\n"


def _notes(results, data):
    caches = sorted({group["cache"] for group in data["groups"].values()})
    yield (f"\nTimes are medians in seconds, flushed to disk; ratio is ours / peer, lower is better. What is read was "
           f"{' or '.join(caches)} in the page cache for both sides. A row without a goal for its time is about sizes. Sizes are "
           "allocated bytes, of a repository those that the run has added, ours / peer, the goal in "
           "brackets; \"read\" is what was read of the disk. CPU seconds and peak memory (MiB) are ours / peer, all processes of a side together; in brackets "
           "is the memory that `--dry-run` plans. Efficiency is (CPU time) / (children x wall time) of ours.\n")
    disks = {}
    for found in results:
        if found["disk"]:
            disks.setdefault(found["disk"], []).append(found["name"])
    for disk, names in disks.items():
        yield f"* {disk}: {'; '.join(dict.fromkeys(names))}"
    took = [f"{name} {group['seconds'] / 60:.1f}" for name, group in data["groups"].items() if group.get("seconds")]
    yield f"\nMinutes of each group, with what is made for it: {', '.join(took)}."
    over = [found["name"] for found in results if not found["failed"] and not found["in_plan"]]
    if over:
        yield f"\nMore memory than planned: {'; '.join(dict.fromkeys(over))}."
    failed = [found for found in results if found["failed"]]
    if failed:
        yield "\nFailed:\n"
        yield from (f"* {found['name']}, beside {found['peer']}: {found['failed']}" for found in failed)


def table(results, data):
    lines = list(_head(data))
    lines.append("| row | peer | ours s | peer s | ratio | goal | met | size (goal) | CPU s | memory (plan) | efficiency "
                 "| rounds |")
    lines.append("|---|---|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|")
    lines += [_line(found) for found in results]
    lines += _notes(results, data)
    return "\n".join(lines) + "\n"


def write(data, folder, rows):
    """Write table, chart and results. Returns whether every row was measured; goals are another matter."""
    results = [result(row, data) for row in rows]
    text = table(results, data)
    with open(os.path.join(folder, "table.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, "chart.svg"), "w", encoding="utf-8") as file:
        file.write(chart.draw([found for found in results if found["goal"] is not None]))
    print(text, end="")
    return not any(found["failed"] for found in results)
