"""The page of links to all reports: report_index_test.py PROGRAM"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = sys.argv.pop(1)


class ReportIndex(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = Path(self.folder.name)

    def run_index(self, expect):
        run = subprocess.run([PROGRAM, "--out", self.out], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, expect, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def add_lesson(self, name, passed, **results):
        folder = self.out / name
        folder.mkdir()
        checks = [{"name": "c", "passed": p, "detail": ""} for p in passed]
        results = {"title": "T & T", "summary": "S", "quick": False, "figures": [], **results}
        (folder / "results.json").write_text(json.dumps({**results, "checks": checks}))
        (folder / "report.html").write_text("<html></html>")

    def test_links_every_report_in_order(self):
        self.add_lesson("10_b", [True, False], quick=True)
        self.add_lesson("02_a", [True, True, True], figures=["x.png", "y.png"])
        (self.out / "cache").mkdir()
        self.run_index(expect=0)
        page = (self.out / "index.html").read_text()
        parts = ['href="02_a/report.html"', 'src="02_a/x.png"', "02. T &amp; T", 'class="pass"',
                 "3 of 3 checks passed<", 'href="10_b/report.html"', 'class="fail"',
                 "1 of 2 checks passed, in a quick run"]
        places = [page.index(part, page.index("<body>")) for part in parts]
        self.assertEqual(places, sorted(places))
        self.assertNotIn("y.png", page)
        self.assertNotIn("cache", page)

    def test_says_what_to_do_where_there_is_none(self):
        self.assertIn("make lessons", self.run_index(expect=1))
        self.assertFalse((self.out / "index.html").exists())

    def test_names_results_that_are_damaged(self):
        self.add_lesson("02_a", [])
        (self.out / "02_a" / "results.json").write_text("{")
        self.assertIn("02_a", self.run_index(expect=1))


if __name__ == "__main__":
    unittest.main()
