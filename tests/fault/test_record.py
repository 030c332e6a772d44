# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests/fault/run keeps of a long campaign, and what it makes of it when it is started again."""

import os
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
from record import Record  # noqa: E402

ITEMS = [{"scenario": "one", "do": "fail", "at": number} for number in range(1, 5)]


def answer(verdict):
    return {"verdict": verdict, "why": "", "label": "fsync", "seconds": 1.0}


class RecordTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "record")
        self.binary = os.path.join(folder.name, "binary")
        self.build("first")

    def build(self, content):
        with open(self.binary, "w", encoding="utf-8") as file:
            file.write(content)

    def open(self, seed="7", given=False):
        """Returns (record, seed)."""
        options = types.SimpleNamespace(binary=self.binary, seed=seed)
        record = Record(self.path, options, given)
        self.addCleanup(record.file.close)
        return record, options.seed

    def test_a_campaign_goes_on(self):
        first, _ = self.open()
        first.add_plan("one", ["open", "fsync"])
        for item, verdict in zip(ITEMS, ("ok", "not ok", "skip")):
            first.add(item, answer(verdict))
        second, seed = self.open(seed="8")
        self.assertEqual("7", seed)
        self.assertEqual({"one": ["open", "fsync"]}, second.plans)
        self.assertEqual([True, False, True, False], [second.is_done(item) for item in ITEMS])
        self.assertIn("of 4 points in all: 1 passed, 1 failed, 1 skipped, 1 left; 1 have failed", second.totals(ITEMS))

    def test_a_failure_is_not_forgotten(self):
        first, _ = self.open()
        first.add(ITEMS[0], answer("not ok"))
        first.add(ITEMS[0], answer("ok"))
        second, _ = self.open()
        self.assertIn("1 passed, 0 failed, 0 skipped, 3 left; 1 have failed", second.totals(ITEMS))

    def test_a_line_that_was_cut_off_is_taken_away(self):
        first, _ = self.open()
        first.add(ITEMS[0], answer("ok"))
        with open(self.path, "a", encoding="utf-8") as file:
            file.write('{"item": {"sc')
        second, _ = self.open()
        second.add(ITEMS[1], answer("ok"))
        third, _ = self.open()
        self.assertEqual([True, True, False, False], [third.is_done(item) for item in ITEMS])

    def test_another_program_or_seed_is_refused(self):
        self.open()
        with self.assertRaisesRegex(SystemExit, "is of seed 7, not of 8"):
            self.open(seed="8", given=True)
        self.build("second")
        with self.assertRaisesRegex(SystemExit, "is of binary"):
            self.open()


if __name__ == "__main__":
    unittest.main()
