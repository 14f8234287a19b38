// Python and qviz in a thread of their own. A message asks something of one explorer; see qviz/widgets/live.py.
const REST_MS = 15000; // after which a reader has seen the first picture, and half a second is not missed
const PACKAGES = ["numpy", "matplotlib", "traitlets"];
// Parts of Python that qviz and its packages import, so that the memory of an early start has them already.
const EARLY = "import ctypes, dataclasses, difflib, fractions, gzip, html, inspect, json, logging, pickle, platform, pprint, statistics, tomllib, uuid, zipfile";
const LEAST_MEMORY = 320 * 65536; // with which Pyodide's module is declared
let page;

// What arrives is counted, so that a page can show how far it is. Another site's files have no size here: then the
// sizes that the build knows count.
function count({ sizes }) {
  const total = Object.values(sizes).reduce((sum, bytes) => sum + bytes, 0);
  let got = 0;
  new PerformanceObserver((list) => {
    for (const { name } of list.getEntries()) got += sizes[name.split("/").pop().split("?")[0]] ?? 0;
    self.postMessage({ share: got / total });
  }).observe({ type: "resource", buffered: true });
}

// What an earlier visit has left in the browser: bytecode, and the memory of a Python that has just started. Only a page
// from https or localhost has a place for it.
const shelf = async () => (self.caches ? caches.open("qviz") : undefined);

async function kept(name) {
  try { return await (await (await shelf())?.match(name))?.arrayBuffer(); } catch { return undefined; }
}

async function keep(found) {
  const place = await shelf();
  if (!place) return;
  for (const old of await place.keys()) await place.delete(old);
  for (const [name, bytes] of Object.entries(found)) await place.put(name, new Response(bytes));
}

// Pyodide may come from another host: a file whose sha256 is not the pinned one is not used. All are asked for at once,
// because Pyodide would ask for a package only when Python runs.
function fetchAll({ pyodide, sha256 }) {
  const plain = self.fetch.bind(self);
  const checked = (address, name, options) => plain(address, { ...options, integrity: `sha256-${sha256[name]}` });
  const early = new Map(Object.keys(sha256).map((name) => [name, checked(pyodide + name, name)]));
  early.forEach((coming) => coming.catch(() => {})); // whoever asks for the file is told
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

// Python starts in a fifth of the time from the memory of an earlier start. Packages that are not Python alone cannot be
// in it, so they are loaded each time.
async function start(options, memory) {
  const [{ loadPyodide }] = await Promise.all(["pyodide.mjs", "pyodide.asm.js"].map((name) => script(options.indexURL + name)));
  try {
    if (memory?.byteLength >= LEAST_MEMORY) { // with less WebAssembly would not start, nor say so
      const python = await loadPyodide({ ...options, _loadSnapshot: memory });
      performance.mark("qviz memory");
      return { python };
    }
  } catch { /* it is not as this browser wants it: start as at first */ }
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
  await python.loadPackage(PACKAGES, { messageCallback: () => {} });
  const folder = python.runPython("import sysconfig; sysconfig.get_paths()['purelib']");
  python.unpackArchive(await ours, "zip", { extractDir: folder });
  if (code) python.unpackArchive(code, "zip", { extractDir: folder });
  self.postMessage({ share: 1 });
  const page = python.runPython("import qviz_prepare\nqviz_prepare.prepare()\nfrom qviz.widgets.live import LivePage\nLivePage()");
  if (!code || made) setTimeout(() => leave(python, folder, names, made ?? memory).catch(() => {}), REST_MS);
  return page;
}

async function leave(python, folder, names, memory) {
  const held = python.pyimport("qviz_prepare").compiled(folder);
  await keep({ [names.code]: held.toJs(), [names.memory]: memory });
  held.destroy();
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
