"""Last step of the site's build: a Content Security Policy for each page, and a service worker for offline use."""

import base64
import hashlib
import html
import re
from pathlib import Path

import pyodide as pinned

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "docs" / "site" / "live" / "service-worker.js"
SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
HANDLER = re.compile(r'\son\w+="([^"]*)"')
CHARSET = re.compile(r'<meta charset="utf-8"\s*/?>')
RULES = (
    "default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)


def finish(out: Path) -> None:
    """Write the policy into every page, then the service worker, whose version is a hash of all files."""
    for page in out.rglob("*.html"):
        if page.relative_to(out).parts[0] not in ("_static", "lite"):  # JupyterLite must run the reader's own code
            page.write_text(ruled(page.read_text(encoding="utf-8")), encoding="utf-8")
    put_worker(out)


def ruled(page: str) -> str:
    """Return a page whose policy allows the site's own scripts and the present inline scripts, and no injected ones.

    The theme needs its inline event handlers, for instance for the print button.
    """
    inline = [*SCRIPT.findall(page), *map(html.unescape, HANDLER.findall(page))]
    hashes = " ".join(["'unsafe-hashes'", *sorted({f"'sha256-{_base64(one.encode())}'" for one in inline})])
    rules = html.escape(RULES.format(hashes=hashes), quote=False)
    return CHARSET.sub(
        lambda found: f'{found[0]}\n    <meta http-equiv="Content-Security-Policy" content="{rules}">', page, count=1
    )


def put_worker(out: Path) -> None:
    """Write the service worker; it must be in the root folder, because its scope is the folder it is in."""
    whole = hashlib.sha256()
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        whole.update(path.relative_to(out).as_posix().encode() + hashlib.sha256(path.read_bytes()).digest())
    text = WORKER.read_text(encoding="utf-8")
    values = {"VERSION": whole.hexdigest()[:12], "PYTHON": pinned.PINNED["version"], "CDN": pinned.PINNED["cdn"]}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (out / "service-worker.js").write_text(text, encoding="utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
