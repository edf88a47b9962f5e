"""Lesson 10 as a user meets it: run from the shell, with good flags and bad ones.

    training_loop_test.py PROGRAM
"""

import gzip
import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = sys.argv.pop(1)


class TrainingLoop(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.out = Path(self.folder.name) / "out"

    def run_lesson(self, *flags, expect, **environment):
        """Runs it on the embedded digits, unless flags say otherwise; returns all it printed."""
        if "--data" not in flags:
            flags = ("--data", "embedded", *flags)
        run = subprocess.run(
            [PROGRAM, "--quick", "--out", self.out, *flags],
            capture_output=True, text=True, env={**os.environ, **environment}, check=False,
        )
        self.assertEqual(run.returncode, expect, run.stdout + run.stderr)
        return run.stdout + run.stderr

    def files(self):
        return self.out / "10_training_loop"

    def results(self):
        return json.loads((self.files() / "results.json").read_text())

    def test_trains_on_the_emulated_gpu_as_on_the_cpu(self):
        self.run_lesson("--device", "emulated", expect=0)
        emulated = self.results()
        self.assertEqual(emulated["device"], "emulated")
        self.run_lesson("--device", "emulated", "--copy-batches", expect=0)
        self.assertEqual(self.results()["loss"], emulated["loss"])
        self.run_lesson(expect=0)
        on_cpu = self.results()
        for one, other in zip(emulated["loss"], on_cpu["loss"], strict=True):
            self.assertAlmostEqual(one, other, delta=1e-3 * other)

    def test_trains_in_other_precisions(self):
        losses = {}
        for precision in ("float", "bf16", "bf16x3"):
            text = self.run_lesson("--precision", precision, expect=0, HANDGRAD_ISA="portable")
            self.assertEqual(f"products in {precision}" in text, precision != "float")
            self.assertEqual(self.results()["precision"], precision)
            losses[precision] = self.results()["loss"]
        self.assertNotEqual(losses["bf16"], losses["float"])
        for precision, delta in (("bf16", 2e-2), ("bf16x3", 1e-4)):
            for one, other in zip(losses[precision], losses["float"], strict=True):
                self.assertAlmostEqual(one, other, delta=delta * other)

    def test_refuses_a_precision_that_is_not_there(self):
        self.assertIn("float, bf16 or bf16x3", self.run_lesson("--precision", "fp8", expect=2))
        text = self.run_lesson("--precision", "bf16", "--device", "emulated", expect=2)
        self.assertIn("--device cpu", text)
        if platform.machine() == "x86_64":  # elsewhere it is plain C++ at once
            text = self.run_lesson("--precision", "bf16", expect=2, HANDGRAD_ISA="avx2")
            self.assertIn("AMX", text)
            self.assertIn("HANDGRAD_ISA=portable", text)

    def test_leaves_its_results(self):
        self.run_lesson("--epochs", "3", expect=0)
        results = self.results()
        self.assertEqual(results["data_set"], "digits")
        self.assertEqual(results["seed"], 42)
        self.assertEqual(results["device"], "cpu")
        self.assertGreaterEqual(results["threads"], 1)
        self.assertEqual(results["parameters"], 65 * 32 + 33 * 10)
        for name in ("loss", "val_loss", "val_accuracy"):
            self.assertEqual(len(results[name]), 3, name)
        self.assertLess(results["loss"][2], results["loss"][0])
        self.assertGreater(results["test_accuracy"], 0.5)
        self.assertGreater(results["samples_per_second"], 0)
        self.assertEqual(set(results["gradient_check"]),
                         {"0.weight", "0.bias", "2.weight", "2.bias"})
        for name, error in results["gradient_check"].items():
            self.assertLess(error, 1e-6, name)
        self.assertTrue(all(check["passed"] for check in results["checks"]))
        self.assertTrue((self.files() / "report.html").read_text().rstrip().endswith("</html>"))
        self.assertTrue((self.files() / "batch.png").read_bytes().startswith(b"\x89PNG"))
        self.assertEqual([str(p) for p in self.files().iterdir() if "tmp" in p.name], [])

    def test_repeats_to_the_last_bit(self):
        weights, results = [], []
        for seed in ("5", "5", "6"):
            self.run_lesson("--seed", seed, expect=0)
            weights.append((self.files() / "weights.safetensors").read_bytes())
            results.append({**self.results(), "samples_per_second": 0})
        self.assertEqual(weights[0], weights[1])
        self.assertEqual(results[0], results[1])
        self.assertNotEqual(weights[0], weights[2])

    def test_does_without_gnuplot(self):
        said = self.run_lesson(expect=0, PATH="/nonexistent")
        self.assertIn("gnuplot", said)
        self.assertFalse((self.files() / "loss.png").exists())
        self.assertTrue((self.files() / "report.html").exists())

    def test_a_diverging_loss_is_an_error(self):
        said = self.run_lesson("--lr", "1e30", expect=1)
        self.assertIn("the loss is not finite", said)
        self.assertNotIn("The test\n", said)
        self.assertFalse((self.files() / "results.json").exists())

    def test_a_batch_larger_than_the_set_is_an_error(self):
        for batch in ("100000", "0", "-3"):
            said = self.run_lesson("--batch", batch, expect=1)
            self.assertIn("DataLoader: no such batch size", said)
            self.assertIn(batch, said)

    def test_data_that_is_not_there_is_an_error(self):
        self.assertIn("no data set there", self.run_lesson("--data", "/nonexistent", expect=1))

    def test_damaged_data_is_an_error(self):
        images = struct.pack(">IIII", 0x803, 10, 28, 28) + bytes(10 * 28 * 28)
        labels = struct.pack(">II", 0x801, 10) + bytes(10)
        damages = {
            "cut short": (images[:-1], labels),
            "wrong magic number": (b"\0\0\x0d\x03" + images[4:], labels),
            "a header that promises too much": (images[:4] + b"\xff" * 12 + images[16:], labels),
            "fewer labels than images": (images, struct.pack(">II", 0x801, 9) + bytes(9)),
            "a label out of range": (images, labels[:-1] + b"\x0a"),
            "no samples": (struct.pack(">IIII", 0x803, 0, 28, 28), struct.pack(">II", 0x801, 0)),
        }
        data = Path(self.folder.name) / "data"
        data.mkdir()
        for damage, contents in damages.items():
            with self.subTest(damage):
                for part in ("train", "t10k"):
                    for kind, content in zip(("images-idx3", "labels-idx1"), contents):
                        (data / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))
                said = self.run_lesson("--data", str(data), expect=1)
                self.assertIn(str(data), said)
                self.assertIn("needs:", said)

    def test_flags_that_make_no_sense_end_with_2(self):
        self.assertIn("--device", self.run_lesson("--device", "cuda", expect=2))
        self.run_lesson("--no-such-flag", expect=2)
        self.run_lesson("--epochs", "some", expect=2)
        self.run_lesson("--epochs", "0", expect=2)
        self.run_lesson("--threads", "0", expect=2)
        for seed in ("-1", "1.5", "99999999999999999999"):
            self.assertIn("--seed", self.run_lesson("--seed", seed, expect=2))

    def test_probabilities_and_rates_that_make_no_sense_are_errors(self):
        self.assertIn("Dropout", self.run_lesson("--dropout", "-1", expect=1))
        self.assertIn("learning rate", self.run_lesson("--lr", "-1", expect=1))


if __name__ == "__main__":
    unittest.main()
