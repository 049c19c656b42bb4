import io
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from mmbench.cli.data import data
from mmbench.cli.main import Commands
from mmbench.core.source import Download, Source


@pytest.fixture
def digits(tmp_path, monkeypatch):
    """A data set "test_shop:digits" on a server of this machine."""
    web = tmp_path / "web"
    web.mkdir()
    (web / "a.gz").write_bytes(b"a" * 1000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("MMNIST/train/m0/0.5.png", b"five")
    (web / "all.zip").write_bytes(packed.getvalue())
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=str(web)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    files = (
        Download(f"{url}/a.gz", "raw/a.gz"),
        Download(f"{url}/all.zip", "all.zip", unpack="."),
    )
    shop = type(sys)("test_shop")
    shop.digits = Source("digits of a test", "Somebody, 2020", None, files, "CC BY 4.0", "MMNIST")
    monkeypatch.setitem(sys.modules, "test_shop", shop)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    yield "test_shop:digits"
    server.shutdown()
    server.server_close()


@pytest.fixture
def call():
    main = Commands("main", commands={"data": data})
    return lambda *arguments, **more: CliRunner().invoke(
        main, ["data", *map(str, arguments)], **more
    )


def test_download_shows_licence_and_size_first(call, digits, tmp_path):
    done = call("download", digits)
    assert done.exit_code == 0, done.output
    place = (tmp_path / "cache" / "data" / "digits").resolve()
    told = done.output
    assert told.index("licence: CC BY 4.0") < told.index("fetching a.gz")
    assert told.index("size: 1,") < told.index("fetching a.gz")
    assert told.index(f"to: {place}") < told.index("fetching a.gz")
    assert told.rstrip().endswith(f"{digits} is in {place}")
    assert (place / "MMNIST" / "train" / "m0" / "0.5.png").read_bytes() == b"five"
    assert "already" in call("download", digits).output


def test_dry_run_shows_and_stops(call, digits, tmp_path):
    done = call("download", digits, "--dry-run")
    assert done.exit_code == 0
    assert "licence: CC BY 4.0" in done.output
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_folder_is_the_users(call, digits, tmp_path, way):
    if way == "option":
        done = call("download", digits, "--data", tmp_path / "mine")
    else:
        done = call("download", digits, env={"MMBENCH_DATA": str(tmp_path / "mine")})
    assert done.exit_code == 0
    assert (tmp_path / "mine" / "digits" / "raw" / "a.gz").is_file()


def test_verify(call, digits, tmp_path):
    assert "run 'mmbench data download test_shop:digits'" in call("verify", digits).output
    call("download", digits)
    done = call("verify", digits)
    assert done.exit_code == 0 and f"{digits} is as it was downloaded" in done.output
    place = (tmp_path / "cache" / "data" / "digits").resolve()
    (place / "raw" / "a.gz").write_bytes(b"b" * 1000)
    (place / "MMNIST" / "train" / "m0" / "0.5.png").unlink()
    done = call("verify", digits)
    assert done.exit_code == 1
    assert f"{place}/raw/a.gz has changed since it was fetched\n" in done.output
    assert f"{place}/MMNIST/train/m0/0.5.png is missing\n" in done.output
    (place / "raw" / "a.gz").unlink()  # as the last line advises
    assert "download test_shop:digits'" in done.output
    assert call("download", digits).exit_code == 0
    assert call("verify", digits).exit_code == 0


def test_a_changed_file_is_refused_unless_accepted(call, digits, tmp_path):
    call("download", digits)
    (tmp_path / "web" / "a.gz").write_bytes(b"new")
    done = call("download", digits, "--data", tmp_path / "other")
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("Error: http://127.0.0.1")
    assert "--accept-changed" in done.output
    done = call("download", digits, "--data", tmp_path / "other", "--accept-changed")
    assert done.exit_code == 0
    assert (tmp_path / "other" / "digits" / "raw" / "a.gz").read_bytes() == b"new"


def test_a_missing_file_gets_one_sentence(call, digits, tmp_path):
    (tmp_path / "web" / "all.zip").unlink()
    done = call("download", digits)
    assert done.exit_code == 1
    last = done.output.splitlines()[-1]
    assert last.startswith("Error: http://127.0.0.1")
    assert "answers 404" in last
    assert "digits/all.zip" in last
    assert "Traceback" not in done.output


@pytest.mark.parametrize("command", ["download", "verify"])
@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("mhd-mini", 0, "mhd-mini has nothing to download"),
        ("polymnst", 1, "no data set is called 'polymnst'; did you mean 'polymnist'?"),
        ("json:dumps", 1, "json:dumps is not a data set"),
        ("nowhere.toml", 1, "nowhere.toml"),
    ],
)
def test_names(call, command, name, status, words):
    done = call(command, name)
    assert done.exit_code == status
    assert words in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize("name", ["polymnist"])
def test_registered_data_sets_show_their_licence(call, name, tmp_path, monkeypatch):
    monkeypatch.setattr("mmbench.datasets.download.length", lambda _: None)
    done = call("download", name, "--dry-run", "--data", tmp_path)
    assert done.exit_code == 0
    assert "licence: CC BY 4.0" in done.output


def test_build_lists_what_can_be_built(call):
    done = call("build", "--help")
    assert done.exit_code == 0
    assert "polymnist" in done.output
    assert call("build", "polymnst").exit_code == 2


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mmbench.cli.data import data\n"
        "try: data(['download', '--help'])\n"
        "except SystemExit: pass\n"
        "print({'torch', 'numpy', 'filelock'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("set()")
