# SPDX-License-Identifier: LGPL-2.1-or-later
"""The benchmark's arithmetic, its tables, and the way it looks at processes; nothing is timed."""

import os
import subprocess
import sys
import tempfile
import types
import unittest
import xml.etree.ElementTree as ElementTree
from unittest import mock

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
sys.path[:0] = [os.path.join(ROOT, "bench/lib"), os.path.join(ROOT, "tests/lib")]
from vbbench import chart, content, groups, increments, lab, life, measure, report, repository, rows, runner, running  # noqa: E402

ROW = rows.Row("backup", "group", "ours", "peer", 0.5, 1.02)
PLAN = {"children": 3, "memory-per-child": 20 << 20}
MACHINE = {"CPU": "a", "cores": 2, "memory": "b", "kernel": "c", "system": "d", "file system": "e"}


def runs(*walls, size=1000, peak=1 << 20):
    return [{"wall": wall, "cpu": wall * 1.8, "peak": peak, "size": size, "bottleneck": None} for wall in walls]


def data(ours, peer, failed=None):
    sides = {"ours": {"runs": ours, "plan": PLAN}, "peer": {"runs": peer, "plan": None}}
    group = {"sides": sides, "failed": failed or {}, "disk": "a disk", "cache": "warm", "key": "k"}
    return {"groups": {"group": group}, "machine": MACHINE, "versions": {"tool": "1"}, "commands": ["bench/run --rows none", "bench/run --resume"]}


class Results(unittest.TestCase):
    def test_ratio_is_that_of_the_medians(self):
        found = report.result(ROW, data(runs(1, 9, 2), runs(4, 30, 5)))
        self.assertEqual((found["ours_wall"], found["peer_wall"], found["ratio"]), (2, 5, 0.4))
        self.assertTrue(found["met"])

    def test_goal_is_missed_by_time(self):
        self.assertFalse(report.result(ROW, data(runs(3, 3, 3), runs(5, 5, 5)))["met"])

    def test_goal_is_missed_by_size(self):
        found = report.result(ROW, data(runs(1, 1, 1, size=1030), runs(5, 5, 5)))
        self.assertEqual((found["ratio"], found["size_ratio"], found["met"]), (0.2, 1.03, False))

    def test_a_row_of_sizes_has_no_goal_for_its_time(self):
        row = rows.Row("day", "group", "ours", "peer", None, 0.016)
        for size, met in ((16, True), (17, False)):
            found = report.result(row, data(runs(90, size=size), runs(1)))
            self.assertEqual(found["met"], met)
            self.assertIn(f"| **90.00** |  | {'yes' if met else 'no: size'} | 0.0{size} (0.016) |", report.table([found], data([], [])))

    def test_a_row_says_what_it_misses(self):
        for wall, size, said in ((1, 1000, "yes"), (3, 1000, "no: time"), (1, 1030, "no: size"), (3, 1030, "no: time and size")):
            found = report.result(ROW, data(runs(wall, size=size), runs(5)))
            self.assertIn(f" | {said} | ", report.table([found], data([], [])))

    def test_small_shares_are_not_rounded_to_their_goal(self):
        row = rows.Row("day", "group", "ours", "peer", None, 0.016)
        for size, met in ((16040, True), (16060, False)):
            self.assertEqual(report.result(row, data(runs(1, size=size), runs(1, size=1000000)))["met"], met)

    def test_the_table_says_how_long_each_group_took(self):
        raw = data(runs(1), runs(2))
        raw["groups"]["group"]["seconds"] = 90
        self.assertIn("group 1.5", report.table([report.result(ROW, raw)], raw))

    def test_a_goal_may_be_seconds_and_bytes(self):
        row = rows.Row("same", "group", "ours", "peer", None, more_s=0.5, most=65536)
        for wall, size, met in ((5.5, 65536, True), (5.6, 65536, False), (5.5, 65537, False)):
            found = report.result(row, data(runs(wall, size=size), runs(5)))
            self.assertEqual(found["met"], met)
            self.assertIn("| +0.5 s |", report.table([found], data([], [])))

    def test_a_goal_may_be_what_is_read(self):
        row = rows.Row("what is read", "group", "ours", "peer", None, read=0.03)
        for read, said in ((30, "yes | read: 0.03 (0.03)"), (31, "no: what is read | read: 0.031 (0.03)"), (None, "no: what is read | ")):
            raw = data([run | {"read": read} for run in runs(1, 1)], [run | {"read": 1000} for run in runs(9)])
            found = report.result(row, raw)
            self.assertEqual(found["met"], said.startswith("yes"))
            self.assertIn(f" | {said} |", report.table([found], raw))

    def test_what_is_read_is_that_of_all_disks(self):
        out = ('{"event":"disk-done","disk":"vda","read-size":3}\nnot JSON\n{"event":"disk-done","disk":"vdb","read-size":4}\n'
               '{"event":"bottleneck","bound-by":"reading"}\n')
        self.assertEqual(runner.own_figures(out), {"bottleneck": {"event": "bottleneck", "bound-by": "reading"}, "read": 7})
        self.assertEqual(runner.own_figures("another program's"), {"bottleneck": None, "read": None})

    def test_efficiency_counts_children_up_to_the_cores(self):
        self.assertAlmostEqual(report.result(ROW, data(runs(2), runs(2)))["efficiency"], 0.9)

    def test_more_memory_than_planned_is_told(self):
        greedy = runs(1, peak=317 << 20)
        self.assertTrue(report.result(ROW, data(runs(1, peak=316 << 20), runs(9)))["in_plan"])
        self.assertFalse(report.result(ROW, data(greedy, runs(9)))["in_plan"])

    def test_a_row_that_failed_is_in_the_table(self):
        for raw in (data(runs(1), [], {"peer": "it is missing"}), data(runs(1), []), {"groups": {}}):
            found = report.result(ROW, {**data([], []), **raw})
            self.assertTrue(found["failed"])
            text = report.table([found], data([], []))
            self.assertIn("| backup | peer | | | **failed**", text)

    def test_every_command_of_a_run_in_pieces_is_named(self):
        text = report.table([], data([], []))
        self.assertIn("\nbench/run --rows none\nbench/run --resume\n", text)

    def test_every_line_of_the_table_has_every_column(self):
        results = [report.result(ROW, data(runs(1), runs(2))),
                   report.result(ROW, data(runs(1), runs(2), {"ours": "broken"}))]
        lines = [line for line in report.table(results, data([], [])).splitlines() if line.startswith("|")]
        self.assertEqual({line.count("|") for line in lines}, {13})
        self.assertEqual(len(lines), 4)


class Chart(unittest.TestCase):
    def test_bars_are_as_long_as_the_ratios_say(self):
        results = [report.result(ROW, data(runs(wall), runs(10))) for wall in (1, 4, 30)]
        root = ElementTree.fromstring(chart.draw(results))
        bars = [bar for bar in root.iter("{http://www.w3.org/2000/svg}rect") if bar.get("height") == str(chart.BAR)]
        self.assertEqual([bar.get("fill") for bar in bars], [chart.MET, chart.MET, chart.MISSED])
        ends = [float(bar.get("x")) + float(bar.get("width")) for bar in bars]
        for end, ratio in zip(ends, (0.1, 0.4, 3.0)):
            self.assertAlmostEqual(end, chart.place(ratio), delta=0.2)

    def test_equal_factors_are_equally_far_apart(self):
        self.assertAlmostEqual(chart.place(0.2) - chart.place(0.1), chart.place(4) - chart.place(2))
        self.assertGreater(chart.place(4), chart.place(2) + 10)

    def test_a_failed_row_is_drawn(self):
        results = [report.result(ROW, data([], [], {"ours": "x"}))]
        self.assertIn(">failed<", chart.draw(results))


class Rows(unittest.TestCase):
    def test_each_row_has_a_group(self):
        self.assertEqual({row.group for row in rows.ROWS}, set(groups.GROUPS | running.GROUPS | repository.GROUPS | increments.GROUPS))

    def test_choice(self):
        self.assertEqual({row.peer for row in rows.matching("restic, pixz")}, {"restic backup", "restic", "pixz -6 -p 2"})
        self.assertEqual(rows.matching("no such row"), [])

    def test_list(self):
        done = subprocess.run([sys.executable, "-B", os.path.join(ROOT, "bench/run"), "--list"], check=True,
                              stdout=subprocess.PIPE, text=True)
        self.assertEqual(len(done.stdout.splitlines()), len(rows.ROWS))


class Resuming(unittest.TestCase):
    def measured(self, *words, rounds=3, key="k"):
        """Which of two groups, of which one is complete, are measured with these options."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        raw = runner.Raw(os.path.join(folder.name, "raw.json"), resume=False)
        raw.data["groups"]["done"] = {"key": key, "failed": {}, "sides": {"ours": {"runs": runs(1, 2, 3)}}}
        options = types.SimpleNamespace(resume="resume" in words, missing="missing" in words, rows="rows" in words,
                                        rounds=rounds, cache="warm")
        seen = []

        def group(name):
            def made(_lab):
                seen.append(name)
                raise ValueError("not here")
            return made

        runner.run_groups(None, ["done", "other"], {name: group(name) for name in ("done", "other")}, raw, options,
                          {"done": "k", "other": "k"}, lambda _text: None)
        return seen

    def test_what_is_complete_is_kept_if_only_what_is_missing_is_asked_for(self):
        self.assertEqual(self.measured("missing", "rows"), ["other"])
        self.assertEqual(self.measured("missing"), ["other"])
        self.assertEqual(self.measured("resume"), ["other"])

    def test_named_rows_are_measured_again(self):
        self.assertEqual(self.measured("resume", "rows"), ["done", "other"])
        self.assertEqual(self.measured(), ["done", "other"])

    def test_fewer_rounds_and_another_disk_are_not_complete(self):
        self.assertEqual(self.measured("missing", rounds=4), ["done", "other"])
        self.assertEqual(self.measured("missing", key="of another disk"), ["done", "other"])


class Sizes(unittest.TestCase):
    def size_of(self, **options):
        """Of a side that adds 64 KiB to a folder with 32 KiB, 16 of them reserved."""
        with tempfile.TemporaryDirectory() as folder:
            output = os.path.join(folder, "out")
            if "reserved" in options:
                options["reserved"] = os.path.join(output, options["reserved"])

            def prepare():
                os.makedirs(output)
                for name in ("old", "reserve"):
                    content.noise(os.path.join(output, name), 16 << 10, name)

            argv = ["dd", "if=/dev/urandom", f"of={output}/new", "bs=64k", "count=1"]
            side = lab.Side(argv, output, [], prepare=prepare, **options)
            return runner._one_run(side, "warm", False)["size"]    # pylint: disable=protected-access

    def test_what_is_counted(self):
        self.assertEqual(self.size_of(), 64 << 10)
        self.assertEqual(self.size_of(added=False), 96 << 10)
        self.assertEqual(self.size_of(added=False, reserved="reserve"), 80 << 10)


class Rounds(unittest.TestCase):
    def test_memory_has_a_run_of_its_own(self):
        watched = []

        def run(argv, _folder, watch_memory, **_options):
            watched.append((argv[0], watch_memory))
            return measure.Figures(len(watched), 1, len(watched) if watch_memory else None)

        with tempfile.TemporaryDirectory() as folder, mock.patch.object(measure, "run", run):
            sides = {name: lab.Side([name], os.path.join(folder, name), [], sized=False) for name in ("ours", "peer")}
            kept = runner.run_group("group", lab.Group(sides, "disk"), types.SimpleNamespace(rounds=2, cache="warm"), "k",
                                    lambda _text: None)
        self.assertEqual([word for word, _ in watched], ["ours", "peer", "peer", "ours", "ours", "peer"])
        self.assertEqual([watch for _, watch in watched], [True, True, False, False, False, False])
        found = {name: [(run["wall"], run["peak"]) for run in side["runs"]] for name, side in kept["sides"].items()}
        self.assertEqual(found, {"ours": [(4, 1), (5, 1)], "peer": [(3, 2), (6, 2)]})


class Measuring(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def cpu_of(self, script):
        """Measured in a process of its own, which adopts orphans as the benchmark does."""
        program = (f"import sys; sys.path.insert(0, {os.path.join(ROOT, 'bench/lib')!r})\n"
                   "from vbbench import measure\nmeasure.adopt_orphans()\n"
                   f"f = measure.run([sys.executable, '-c', {script!r}], {self.folder!r})\n"
                   "print(f.cpu)")
        done = subprocess.run([sys.executable, "-B", "-c", program], check=True, stdout=subprocess.PIPE, text=True)
        return float(done.stdout)

    def test_cpu_of_an_orphan_counts(self):
        script = ("import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n"
                  "  while time.process_time() < 0.2: pass\n os._exit(0)\n")
        self.assertGreaterEqual(self.cpu_of(script), 0.2)

    def test_memory_that_processes_share_counts_once(self):
        # 32 MiB shared, and a copy of them in each of three processes
        script = ("import mmap, os, sys\nm = mmap.mmap(-1, 32 << 20)\nm.write(bytes(32 << 20))\n"
                  "for _ in range(3):\n if os.fork() == 0:\n  x = bytes(m); os.write(1, b'.'); sys.stdin.read()\n"
                  "  os._exit(0)\nfor _ in range(3): os.wait()\n")
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            for _ in range(3):
                self.assertEqual(process.stdout.read(1), b".")
            pids = measure.tree_of([process.pid])
            used = measure.memory_of(pids)
            process.stdin.close()
        self.assertEqual(len(pids), 4)
        self.assertGreater(used, 4 * 32 << 20)
        self.assertLess(used, 4.9 * (32 << 20))

    def test_a_failed_command_is_told_with_its_message(self):
        with self.assertRaisesRegex(measure.CommandFailed, "ended with 3: so it is"):
            measure.run([sys.executable, "-c", "import sys; print('so it is', file=sys.stderr); sys.exit(3)"],
                        self.folder)

    def test_a_command_that_does_not_end_is_ended(self):
        with self.assertRaisesRegex(measure.CommandFailed, "had not ended after 0.1 s"):
            measure.run([sys.executable, "-c", "import time; time.sleep(600)"], self.folder, limit_s=0.1)

    def test_content_is_that_of_its_seed(self):
        made = []
        for number, seed in enumerate((1, 1, 2)):
            path = os.path.join(self.folder, str(number))
            content.noise(path, 70000, seed)
            with open(path, "rb") as file:
                made.append(file.read())
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])
        self.assertEqual(len(made[0]), 70000)


class Life(unittest.TestCase):
    """On a plain folder; only where things lie on a disk is the file system's business."""
    SIZE, BUDGET, DAYS = 6 << 20, 120 << 10, 8

    def live(self, first, name):
        """What the files of a life are on each day."""
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "usr/bin"))
            for number in range(8):
                content.noise(os.path.join(root, f"usr/bin/tool-{number}"), 12000, number)
            life.Writer(root, first).move_in(self.SIZE)
            days = [self.files(root)]
            for day in range(1, self.DAYS + 1):
                life.Writer(root, f"{name}/{day}").live(day, self.BUDGET)
                days.append(self.files(root))
        return days

    @staticmethod
    def files(root):
        found = {}
        for path in measure.files_below(root):
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
        return found

    def test_the_same_name_is_the_same_life(self):
        one, again, other = self.live("a", "one"), self.live("a", "one"), self.live("a", "other")
        self.assertEqual(one, again)
        self.assertEqual(one[0], other[0])
        self.assertNotEqual(one[1], other[1])

    def test_a_day_writes_what_it_may(self):
        days = self.live("a", "one")
        for before, after in zip(days, days[1:]):
            written = sum(self.pages(before.get(name, b""), data) for name, data in after.items()
                          if not name.endswith(".1"))      # only renamed
            self.assertGreater(written * life.BLOCK, self.BUDGET * 0.6)
            self.assertLess(written * life.BLOCK, self.BUDGET * 2)

    @staticmethod
    def pages(before, after):
        return sum(before[at:at + life.BLOCK] != after[at:at + life.BLOCK] for at in range(0, len(after), life.BLOCK))

    def test_all_kinds_of_a_day_write(self):
        days = self.live("a", "one")
        for folder in ("srv/tables", "srv/wal", "srv/mail", "srv/uploads", "var/log/life", "usr/bin", "swapfile"):
            first, last = ({name: data for name, data in days[day].items() if name.startswith(folder)} for day in (0, -1))
            self.assertNotEqual(first, last, folder)


if __name__ == "__main__":
    unittest.main()
