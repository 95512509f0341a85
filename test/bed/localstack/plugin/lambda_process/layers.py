"""What a function finds at /opt: its layers, merged into one directory, later ones over earlier ones."""

import shutil
import tempfile
import threading
import zipfile
from hashlib import sha256
from pathlib import Path

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

_root = Path(tempfile.gettempdir()) / "lambda" / "layers"
_lock = threading.Lock()


def merged_layers(version: FunctionVersion) -> Path:
    layers = [layer for layer in version.config.layers or [] if layer.code]
    key = sha256("\n".join(layer.layer_version_arn + layer.code.code_sha256 for layer in layers).encode())
    target = _root / key.hexdigest()[:16]
    with _lock:
        if not target.exists():
            part = target.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for layer in layers:
                with tempfile.NamedTemporaryFile() as archive:
                    layer.code._download_archive_to_file(archive)
                    archive.flush()
                    _unzip(archive.name, part)
            part.rename(target)
    return target


def _unzip(archive: str, target: Path) -> None:
    """As `unzip` does: with modes and symbolic links, which Python's extractall leaves out."""
    with zipfile.ZipFile(archive) as content:
        for entry in content.infolist():
            mode = entry.external_attr >> 16
            path = target / entry.filename
            if not path.resolve().is_relative_to(target.resolve()):
                raise ValueError(f"a layer names {entry.filename}, which is outside of it")
            if entry.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if (mode & 0o170000) == 0o120000:
                path.symlink_to(content.read(entry).decode())
                continue
            with content.open(entry) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
            path.chmod(mode & 0o777 or 0o755)
