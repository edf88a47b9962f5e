"""`make gradcheck` as a user meets it: its table, its flags and its exit codes.

    gradcheck_test.py PROGRAM
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = sys.argv.pop(1)


class Gradcheck(unittest.TestCase):
    def run_it(self, *flags, expect):
        run = subprocess.run([PROGRAM, *flags], capture_output=True, text=True, check=False)
        self.assertEqual(run.returncode, expect, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def test_filter_and_random_shapes(self):
        listed = self.run_it("--filter", "Tanh(", expect=0)
        self.assertIn("Tanh() on (5, 7)", listed)
        self.assertNotIn("Linear(", listed.split("Sequential")[0])
        more = self.run_it("--filter", "Tanh(", "--shapes", "random:5", "--seed", "3", expect=0)
        self.assertGreater(more.count("PASS"), listed.count("PASS"))

    def test_seed_draws_other_numbers(self):
        first = self.run_it("--filter", "GELU", expect=0)
        self.assertEqual(first, self.run_it("--filter", "GELU", "--seed", "0", expect=0))
        self.assertNotEqual(first, self.run_it("--filter", "GELU", "--seed", "1", expect=0))

    def test_outputs_that_are_zero_pass(self):
        self.run_it("--filter", "AvgPool2d", "--seed", "123", "--shapes", "random:20", expect=0)

    def test_json_has_every_row(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.json"
            self.run_it("--filter", "Linear(3, 10)", "--json", str(path), expect=0)
            report = json.loads(path.read_text())
        self.assertEqual(report["failed"], 0)
        names = [row["name"] for row in report["rows"]]
        self.assertEqual(names[:3], ["x", "weight", "bias"])
        for row in report["rows"]:
            self.assertTrue(row["pass"])
            self.assertLess(row["autograd"]["max_relative_error"], 1e-10)
            self.assertLess(row["differences"]["max_relative_error"], 1e-6)

    def test_every_layer_and_loss_stands_in_the_table(self):
        source = Path(__file__).resolve().parents[2] / "src"
        classes = {name for folder in ("layers", "losses") for header in (source / folder).glob("*.h")
                   for name in re.findall(r"^class (\w+) final : public", header.read_text(), re.M)}
        listed = set(re.findall(r"^(\w+)\(.* on \(", self.run_it(expect=0), re.M))
        self.assertGreater(len(classes), 30)
        self.assertEqual(classes - listed, set())

    def test_a_failure_is_exit_code_1(self):
        # No difference is right to thirty digits.
        text = self.run_it("--filter", "Sigmoid", "--tolerance", "1e-30", expect=1)
        self.assertIn("FAIL", text)
        self.assertIn("they differ; worst at", text)
        self.assertIn("nothing is called", self.run_it("--filter", "no such layer", expect=1))

    def test_wrong_flags_are_exit_code_2(self):
        for flags in (("--shapes", "round"), ("--shapes", "random:0"), ("--seed", "-1"),
                      ("--seed", "many"), ("--colour", "red"), ("--tolerance", "inf"),
                      ("--json", "/no/such/folder/rows.json")):
            self.run_it(*flags, expect=2)


if __name__ == "__main__":
    unittest.main()
