"""tools/download_data.py against a server on this machine that misbehaves on demand."""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import re
import sys
import tempfile
import threading
import unittest
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import download_data
from download_data import GzipFiles, ZipFolder

IMAGES = bytes(range(256)) * 3000
LABELS = b"labels" * 10
# Stored, not compressed: large enough to be cut in the middle.
FILES = {
    "/digits/images.gz": gzip.compress(IMAGES, compresslevel=0),
    "/digits/labels.gz": gzip.compress(LABELS),
}
PICTURES = {"Dataset/0/a.JPG": b"picture a", "Dataset/1/b.JPG": b"picture b" * 1000}
DIGEST = hashlib.sha256(
    "".join(f"{path} {hashlib.sha256(PICTURES[path]).hexdigest()}\n" for path in sorted(PICTURES)).encode()
).hexdigest()


def zip_of(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves self.files. The next answer is cut after self.cut bytes, once."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.ranges, self.requests = {}, None, True, []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        body = self.server.files.get(self.path)
        if body is None:
            return self.send_error(404)
        start = 0
        if wanted and self.server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut, self.server.cut = self.server.cut, None
        self.wfile.write(body[start : None if cut is None else start + cut])

    def log_message(self, *_):
        pass


class DownloadData(unittest.TestCase):
    def setUp(self):
        os.environ["no_proxy"] = "127.0.0.1"
        download_data.PAUSE_S = 0.0
        self.server = Server()
        self.server.files = dict(FILES)
        self.server.files["/pictures/archive/master.zip"] = zip_of(
            {f"Set-master/{path}": content for path, content in PICTURES.items()}
            | {"Set-master/README.md": b"not kept"}
        )
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dest = Path(temporary.name, "downloads")
        home = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.home = home
        self.datasets = {
            "digits": GzipFiles(
                f"{home}/digits",
                {
                    "images.gz": hashlib.sha256(IMAGES).hexdigest(),
                    "labels.gz": hashlib.sha256(LABELS).hexdigest(),
                },
            ),
            "pictures": ZipFolder(
                f"{home}/pictures/archive/master.zip", r"Dataset/\d/[^/]+\.JPG", DIGEST
            ),
        }

    def run_tool(self, *arguments):
        self.server.requests.clear()
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = download_data.main(["--dest", str(self.dest), *arguments], self.datasets)
        self.output = out.getvalue()
        return code

    def files_there(self):
        return sorted(p.relative_to(self.dest).as_posix() for p in self.dest.rglob("*") if p.is_file())

    COMPLETE = ["digits/images.gz", "digits/labels.gz"]
    COMPLETE_ALL = COMPLETE + ["pictures/Dataset/0/a.JPG", "pictures/Dataset/1/b.JPG"]

    def test_downloads_all_then_nothing(self):
        self.assertEqual(self.run_tool(), 0, "first run")
        self.assertEqual(self.files_there(), self.COMPLETE_ALL)
        self.assertEqual(gzip.decompress((self.dest / "digits/images.gz").read_bytes()), IMAGES)
        self.assertEqual((self.dest / "pictures/Dataset/0/a.JPG").read_bytes(), b"picture a")
        self.assertNotIn("\r", self.output)
        self.assertEqual(self.run_tool(), 0)
        self.assertEqual(self.server.requests, [])
        self.assertIn("already complete", self.output)

    def test_only(self):
        self.assertEqual(self.run_tool("--only", "digits"), 0)
        self.assertEqual(self.files_there(), self.COMPLETE)

    def test_base_url(self):
        self.server.files = {f"/mirror{path}": body for path, body in self.server.files.items()}
        self.server.files["/mirror/pictures/master.zip"] = self.server.files.pop(
            "/mirror/pictures/archive/master.zip"
        )
        self.assertEqual(self.run_tool("--base-url", f"{self.home}/mirror/"), 0)
        self.assertEqual(self.files_there(), self.COMPLETE_ALL)

    def test_a_broken_download_goes_on_where_it_stopped(self):
        self.server.cut = 100_000
        self.assertEqual(self.run_tool("--only", "digits"), 0)
        self.assertEqual(
            self.server.requests[:2],
            [("/digits/images.gz", None), ("/digits/images.gz", "bytes=100000-")],
        )
        self.assertEqual(self.files_there(), self.COMPLETE)

    def test_a_server_that_ignores_ranges(self):
        self.server.cut, self.server.ranges = 100_000, False
        self.assertEqual(self.run_tool("--only", "digits"), 0)
        self.assertEqual(self.files_there(), self.COMPLETE)
        self.assertEqual(gzip.decompress((self.dest / "digits/images.gz").read_bytes()), IMAGES)

    def test_a_part_of_an_older_file_is_thrown_away(self):
        for length in (1000, 10_000_000):  # the longer one is answered with 416
            with self.subTest(length=length):
                self.dest.mkdir(exist_ok=True)
                (self.dest / "digits-images.gz.part").write_bytes(b"x" * length)
                (self.dest / "digits/images.gz").unlink(missing_ok=True)
                self.assertEqual(self.run_tool("--only", "digits"), 0)
                self.assertEqual(self.files_there(), self.COMPLETE)

    def test_a_part_that_is_complete(self):
        self.dest.mkdir()
        (self.dest / "digits-images.gz.part").write_bytes(FILES["/digits/images.gz"])
        self.assertEqual(self.run_tool("--only", "digits"), 0)
        self.assertEqual(self.files_there(), self.COMPLETE)

    def test_a_body_that_is_always_cut(self):
        attempts, download_data.ATTEMPTS = download_data.ATTEMPTS, 1
        self.addCleanup(setattr, download_data, "ATTEMPTS", attempts)
        self.server.cut = 5000
        self.assertEqual(self.run_tool("--only", "digits"), 1)
        self.assertEqual(self.files_there(), ["digits-images.gz.part"])
        self.assertIn("5000 of ", self.output)
        self.assertIn("run this again", self.output)
        self.assertEqual(self.run_tool("--only", "digits"), 0)
        self.assertEqual(self.server.requests[0], ("/digits/images.gz", "bytes=5000-"))

    def test_wrong_content_leaves_nothing(self):
        self.server.files["/digits/images.gz"] = gzip.compress(b"something else")
        self.assertEqual(self.run_tool("--only", "digits"), 1)
        self.assertEqual(self.files_there(), [])
        self.assertIn(hashlib.sha256(IMAGES).hexdigest(), self.output)
        self.server.files["/digits/images.gz"] = b"<html>log in first</html>"
        self.assertEqual(self.run_tool("--only", "digits"), 1)
        self.assertEqual(self.files_there(), [])
        self.assertIn("no whole gzip file", self.output)

    def test_a_damaged_file_is_replaced(self):
        self.assertEqual(self.run_tool(), 0)
        (self.dest / "digits/labels.gz").write_bytes(b"")
        (self.dest / "pictures/Dataset/0/a.JPG").write_bytes(b"")
        self.assertEqual(self.run_tool(), 0)
        self.assertEqual(self.files_there(), self.COMPLETE_ALL)
        self.assertEqual((self.dest / "pictures/Dataset/0/a.JPG").read_bytes(), b"picture a")

    def test_not_found(self):
        del self.server.files["/digits/images.gz"]
        self.assertEqual(self.run_tool(), 1)
        self.assertIn(f"{self.home}/digits/images.gz", self.output)
        self.assertIn("HTTP 404", self.output)
        self.assertEqual(len([r for r in self.server.requests if "digits" in r[0]]), 1)
        # The other set does not suffer.
        self.assertEqual(self.files_there(), self.COMPLETE_ALL[2:])

    def test_no_server(self):
        self.server.shutdown()
        self.server.server_close()
        self.assertEqual(self.run_tool(), 1)
        self.assertIn("refused", self.output)
        self.assertEqual(self.files_there(), [])

    def test_zip_with_a_path_that_leads_out(self):
        for evil in ("../evil.JPG", "Set-master/../../evil.JPG", "/tmp/evil.JPG", "Set-master\\..\\evil"):
            with self.subTest(evil=evil):
                self.server.files["/pictures/archive/master.zip"] = zip_of({evil: b"evil"})
                self.assertEqual(self.run_tool("--only", "pictures"), 1)
                self.assertIn(f"'{evil}'", self.output)
                self.assertEqual(self.files_there(), [])

    def test_zip_of_other_pictures(self):
        self.server.files["/pictures/archive/master.zip"] = zip_of({"Set-master/Dataset/0/a.JPG": b""})
        self.assertEqual(self.run_tool("--only", "pictures"), 1)
        self.assertIn(DIGEST, self.output)
        self.assertEqual(list(self.dest.iterdir()), [])

    def test_zip_cut_short(self):
        whole = self.server.files["/pictures/archive/master.zip"]
        self.server.files["/pictures/archive/master.zip"] = whole[: len(whole) // 2]
        self.assertEqual(self.run_tool("--only", "pictures"), 1)
        self.assertIn("no whole zip archive", self.output)
        self.assertEqual(list(self.dest.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
