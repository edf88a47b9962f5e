#!/usr/bin/env python3
"""Downloads the data sets of the lessons from their public homes.

  tools/download_data.py                 all of them, to data/downloads
  tools/download_data.py --only mnist    one of them

A download that was cut off is taken up where it stopped. Everything is verified, what came out
wrong is removed, and what is there already is not downloaded again. Exit code 1 if a set is missing
in the end.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import http.client
import re
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ATTEMPTS = 4  # for one file, each going on where the one before it broke off
PAUSE_S = 2.0  # before the next attempt
TIMEOUT_S = 30.0  # without a byte
CHUNK = 1 << 16


@dataclass(frozen=True)
class GzipFiles:
    """Files that are kept as they come, compressed."""

    address: str  # the folder that they lie in
    sha256: dict[str, str]  # by file name; of the decompressed content, as mirrors recompress


@dataclass(frozen=True)
class ZipFolder:
    """The members of one zip archive that match `keep`, without the archive's top folder."""

    address: str
    keep: str  # a regular expression for the whole path
    digest: str  # of their paths and contents (folder_digest), as archives made afresh differ


DATASETS: dict[str, GzipFiles | ZipFolder] = {
    "mnist": GzipFiles(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        {
            "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "fashion-mnist": GzipFiles(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        {
            "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    "sign-language-digits": ZipFolder(
        "https://github.com/ardamavi/Sign-Language-Digits-Dataset/archive/refs/heads/master.zip",
        r"Dataset/[0-9]/[^/]+\.JPG",
        "44a9df9f40fa7c205bd541251b621005a8fbfda7841540aa9986bdbfc9fa97ec",
    ),
}


class DataError(Exception):
    def __init__(self, operation: str, got: object, needs: str, hint: str):
        super().__init__(f"{operation}\n  got:   {got}\n  needs: {needs}\n  hint:  {hint}")


class BrokenOff(Exception):
    """The connection failed; another attempt may do better."""


# ---- one file ------------------------------------------------------------------------------------


def show_progress(label: str, done: int, total: int | None) -> None:
    if sys.stderr.isatty():
        of = f" of {total / 1e6:.1f}" if total else ""
        sys.stderr.write(f"\r{label}: {done / 1e6:.1f}{of} MB\033[K")


def end_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def fetch_once(url: str, part: Path) -> None:
    """Downloads to `part`, after the bytes that it holds. Raises BrokenOff before the last byte."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            if response.status != 206:  # the server sends the whole file whatever was asked for
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else None
            with open(part, "r+b" if have else "wb") as out:
                out.seek(have)
                while chunk := response.read(CHUNK):
                    out.write(chunk)
                    have += len(chunk)
                    show_progress(part.stem, have, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing beyond what we have: all of it, or another file's part
            if error.headers.get("Content-Range", "") == f"bytes */{have}":
                return
            part.unlink()
            raise BrokenOff(f"HTTP 416: {have} bytes of another file were there") from error
        if error.code >= 500:
            raise BrokenOff(f"HTTP {error.code} {error.reason}") from error
        raise DataError(
            f"download {url}: refused",
            f"HTTP {error.code} {error.reason}",
            "the file",
            "see with a browser whether it has moved; a mirror can be named by --base-url",
        ) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        raise BrokenOff(getattr(error, "reason", error)) from error
    finally:
        end_progress()
    if total is not None and have != total:
        raise BrokenOff(f"{have} of {total} bytes, then the connection ended")


def fetch(url: str, part: Path) -> None:
    """Downloads all of `url` to `part`, which may hold its first bytes already."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return fetch_once(url, part)
        except BrokenOff as broken:
            if attempt == ATTEMPTS:
                raise DataError(
                    f"download {url}: not completed in {ATTEMPTS} attempts",
                    broken,
                    "a working connection",
                    "run this again: it goes on where it stopped",
                ) from broken
            time.sleep(PAUSE_S)


def fetch_verified(url: str, part: Path, problem) -> None:
    """fetch, until problem(part) is None: what is wrong with the file. No wrong file stays."""
    resumed = part.exists()
    fetch(url, part)
    wrong = problem(part)
    if wrong and resumed:  # the old bytes may have been of another version of the file
        part.unlink()
        fetch(url, part)
        wrong = problem(part)
    if wrong:
        part.unlink()
        raise DataError(
            f"download {url}: not the file that was expected",
            *wrong,
            "it was removed; if a second try ends the same, the file has changed at its source",
        )


# ---- verification --------------------------------------------------------------------------------


def gzip_problem(path: Path, sha256: str) -> tuple[str, str] | None:
    """What a gzip file holds, and what it should hold; None where the two are the same."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"no whole gzip file ({error})", f"a gzip file of content with SHA-256 {sha256}"
    if digest.hexdigest() != sha256:
        return f"content with SHA-256 {digest.hexdigest()}", f"SHA-256 {sha256}"
    return None


def folder_digest(folder: Path, keep: str) -> str:
    """SHA-256 over a line "path SHA-256" for each file whose path matches `keep`, sorted."""
    paths = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    lines = (
        f"{path} {hashlib.sha256((folder / path).read_bytes()).hexdigest()}\n"
        for path in sorted(paths)
        if re.fullmatch(keep, path)
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def zip_problem(path: Path) -> tuple[str, str] | None:
    """None if it is a whole zip archive, all of whose members would lie inside a folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                member = PurePosixPath(name)
                if member.is_absolute() or ".." in member.parts or "\\" in name or ":" in name:
                    return f"an archive with the path '{name}'", "paths inside the archive's folder"
            damaged = archive.testzip()
            if damaged:
                return f"a damaged member, '{damaged}'", "a whole archive"
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        return f"no whole zip archive ({error})", "a zip archive"
    return None


# ---- data sets -----------------------------------------------------------------------------------


def get_gzip_files(dataset: GzipFiles, address: str, target: Path) -> bool:
    downloaded = False
    for name, sha256 in dataset.sha256.items():
        path = target / name
        if path.exists() and gzip_problem(path, sha256) is None:
            continue
        part = target.parent / f"{target.name}-{name}.part"
        part.parent.mkdir(parents=True, exist_ok=True)
        fetch_verified(f"{address}/{name}", part, lambda part: gzip_problem(part, sha256))
        target.mkdir(exist_ok=True)
        part.replace(path)
        downloaded = True
    return downloaded


def get_zip_folder(dataset: ZipFolder, address: str, target: Path) -> bool:
    if target.exists() and folder_digest(target, dataset.keep) == dataset.digest:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.parent / f"{target.name}.zip.part"
    fetch_verified(address, part, zip_problem)
    # Beside the target, so that renaming is one step.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        fresh = Path(temporary, "new")
        with zipfile.ZipFile(part) as archive:
            for member in archive.infolist():
                path = member.filename.partition("/")[2]
                if re.fullmatch(dataset.keep, path):
                    (fresh / path).parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, open(fresh / path, "wb") as out:
                        shutil.copyfileobj(source, out)
        part.unlink()
        digest = folder_digest(fresh, dataset.keep)
        if digest != dataset.digest:
            raise DataError(
                f"unpack {address}: not the files that were expected",
                f"files with the digest {digest}",
                dataset.digest,
                "they were removed; if a second try ends the same, the set has changed at its source",
            )
        if target.exists():
            target.rename(Path(temporary, "old"))
        fresh.rename(target)
    return True


def main(arguments: list[str], datasets=None) -> int:
    datasets = DATASETS if datasets is None else datasets
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=sorted(datasets), help="this data set alone")
    parser.add_argument(
        "--dest",
        type=Path,
        default=Path(__file__).resolve().parent.parent / "data" / "downloads",
        help="where each set gets a folder (default: data/downloads of the project)",
    )
    parser.add_argument(
        "--base-url",
        help="a mirror: files are taken from BASE_URL/<set>/<file> instead of their homes",
    )
    options = parser.parse_args(arguments)

    failed = False
    for name, dataset in datasets.items():
        if options.only not in (None, name):
            continue
        address = dataset.address
        is_zip = isinstance(dataset, ZipFolder)
        if options.base_url:
            address = f"{options.base_url.rstrip('/')}/{name}"
            if is_zip:
                address += "/" + dataset.address.rpartition("/")[2]
        target = options.dest / name
        try:
            downloaded = (get_zip_folder if is_zip else get_gzip_files)(dataset, address, target)
            print(f"{name}: {'downloaded to' if downloaded else 'already complete in'} {target}")
        except (DataError, OSError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nstopped; run this again to go on where it stopped")
