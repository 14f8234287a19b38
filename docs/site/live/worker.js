// Python and qviz in a web worker. Each message is for one explorer; see qviz/widgets/live.py.
const REST_MS = 15000; // by then the reader has seen the first picture, and does not notice half a second of work
// Modules that qviz and its packages import, so that the memory snapshot contains them.
const EARLY = "import ctypes, dataclasses, difflib, fractions, gzip, html, inspect, json, logging, pickle, platform, pprint, statistics, tomllib, uuid, zipfile";
const LEAST_MEMORY = 320 * 65536; // the initial memory that Pyodide's module declares
let page;

// Count the files that have arrived, for the progress bar. The browser does not reveal the sizes of files from another
// site, so the sizes known at build time are used.
function count({ sizes }) {
  const total = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
  let got = 0;
  new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) got += sizes[name.split("/").pop().split("?")[0]] ?? 0;
    self.postMessage({ share: got / total });
  }).observe({ type: "resource", buffered: true });
}

// The cache from an earlier visit: bytecode, and a memory snapshot of Python right after its start. It is available only
// on https and localhost.
const cache = async () => (self.caches ? caches.open("qviz") : undefined);

async function kept(name) {
  try { return await (await (await cache())?.match(name))?.arrayBuffer(); } catch { return undefined; }
}

async function keep(found) {
  const store = await cache();
  if (!store) return;
  for (const old of await store.keys()) await store.delete(old);
  for (const [name, bytes] of Object.entries(found)) await store.put(name, new Response(bytes));
}

// Pyodide may come from another host, so a file is rejected unless its sha256 is the pinned one. All files are requested
// at once, though they are needed one after another.
function fetchAll({ pyodide, sha256 }) {
  const plain = self.fetch.bind(self);
  const checked = (address, name, options) => plain(address, { ...options, integrity: `sha256-${sha256[name]}` });
  const early = new Map(Object.keys(sha256).map((name) => [name, checked(pyodide + name, name)]));
  early.forEach((coming) => coming.catch(() => {})); // reported to whoever requests the file
  self.fetch = (asked, options) => {
    const name = new URL(asked.url ?? asked, self.location).pathname.split("/").pop();
    const coming = early.get(name);
    early.delete(name);
    return coming ?? (Object.hasOwn(sha256, name) ? checked(asked, name, options) : plain(asked, options));
  };
}

async function script(address) {
  const code = await (await fetch(address)).blob();
  const checked = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try { return await import(checked); } finally { URL.revokeObjectURL(checked); }
}

// From a memory snapshot, Python starts in a fifth of the time. Packages with compiled code cannot be part of it, so they
// are loaded each time.
async function start(options, memory) {
  const [{ loadPyodide }] = await Promise.all(["pyodide.mjs", "pyodide.asm.js"].map((name) => script(options.indexURL + name)));
  try {
    if (memory?.byteLength >= LEAST_MEMORY) { // with less, WebAssembly fails without an error
      const python = await loadPyodide({ ...options, _loadSnapshot: memory });
      delete python._api.config._loadSnapshot; // 20 MB that Python has copied
      performance.mark("qviz memory");
      return { python };
    }
  } catch { /* the snapshot does not fit this browser: start without it */ }
  const python = await loadPyodide({ ...options, _makeSnapshot: true });
  python.runPython(EARLY);
  return { python, made: python.makeMemorySnapshot() };
}

async function load(asked) {
  const { pyodide, lock, bundle, sha256 } = asked;
  const names = { code: `${bundle}.pyc`, memory: `${bundle}.memory?${sha256["pyodide.asm.wasm"]}` };
  fetchAll(asked);
  const ours = fetch(bundle).then((answer) => answer.arrayBuffer());
  const [code, memory] = await Promise.all([names.code, names.memory].map(kept));
  const { python, made } = await start({ indexURL: pyodide, lockFileURL: lock }, memory);
  const folder = python.runPython("import sysconfig; sysconfig.get_paths()['purelib']");
  python.unpackArchive(await ours, "zip", { extractDir: folder });
  const { unpack } = python.pyimport("qviz_prepare");
  for (const name of Object.keys(sha256).filter((name) => name.endsWith(".whl"))) {
    unpack(await (await fetch(pyodide + name)).arrayBuffer(), folder);
  }
  if (code) python.unpackArchive(code, "zip", { extractDir: folder });
  self.postMessage({ share: 1 });
  const page = python.runPython("import qviz_prepare\nqviz_prepare.prepare()\nfrom qviz.widgets.live import LivePage\nLivePage()");
  setTimeout(() => tidy(python, folder, (!code || made) && { names, memory: made ?? memory }).catch(() => {}), REST_MS);
  return page;
}

// Leave a later visit what it can use, and free the memory of files that are not read again.
async function tidy(python, folder, left) {
  const prepare = python.pyimport("qviz_prepare");
  if (left) {
    const held = prepare.compiled(folder);
    await keep({ [left.names.code]: held.toJs(), [left.names.memory]: left.memory });
    held.destroy();
  }
  prepare.forget();
}

self.onmessage = async ({ data }) => {
  if (data.start) {
    count(data.start);
    page = load(data.start);
    page.catch((error) => self.postMessage({ broken: lastLine(error) }));
    return;
  }
  try {
    const live = await page;
    const told = JSON.parse(live.answer(JSON.stringify(data)));
    const held = live.picture;
    const png = held.toJs();
    held.destroy();
    self.postMessage({ key: data.key, told, png }, [png.buffer]);
  } catch (error) {
    self.postMessage({ key: data.key, failed: lastLine(error) });
  }
};

const lastLine = (error) => String(error.message ?? error).trim().split("\n").pop();
