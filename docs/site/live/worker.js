// Python and qviz in a thread of their own. A message asks something of one explorer; see qviz/widgets/live.py.
const REST_MS = 15000; // after which a reader has seen the first picture, and half a second is not missed
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

// Bytecode of an earlier visit, kept by the browser; only a page from https or localhost has a place for it.
const shelf = async () => (self.caches ? caches.open("qviz") : undefined);

async function kept(bundle) {
  try { return await (await (await shelf())?.match(`${bundle}.pyc`))?.arrayBuffer(); } catch { return undefined; }
}

async function keep(python, folder, bundle) {
  const place = await shelf();
  if (!place) return;
  for (const old of await place.keys()) await place.delete(old);
  const held = python.pyimport("qviz_prepare").compiled(folder);
  await place.put(`${bundle}.pyc`, new Response(held.toJs()));
  held.destroy();
}

// Pyodide may come from another host: a file whose sha256 is not the pinned one is not used.
function guard(sha256) {
  const unguarded = self.fetch.bind(self);
  self.fetch = (asked, options = {}) => {
    const name = new URL(asked.url ?? asked, self.location).pathname.split("/").pop();
    return unguarded(asked, Object.hasOwn(sha256, name) ? { ...options, integrity: `sha256-${sha256[name]}` } : options);
  };
}

async function script(address) {
  const code = await (await fetch(address)).blob();
  const checked = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try { return await import(checked); } finally { URL.revokeObjectURL(checked); }
}

async function load({ pyodide, lock, bundle, sha256 }) {
  guard(sha256);
  const before = await kept(bundle);
  const ours = fetch(bundle).then((answer) => answer.arrayBuffer());
  const [{ loadPyodide }] = await Promise.all(["pyodide.mjs", "pyodide.asm.js"].map((name) => script(pyodide + name)));
  const packages = ["numpy", "matplotlib", "traitlets"];
  const python = await loadPyodide({ indexURL: pyodide, lockFileURL: lock, packages });
  const folder = python.runPython("import sysconfig; sysconfig.get_paths()['purelib']");
  python.unpackArchive(await ours, "zip", { extractDir: folder });
  if (before) python.unpackArchive(before, "zip", { extractDir: folder });
  else setTimeout(() => keep(python, folder, bundle).catch(() => {}), REST_MS);
  self.postMessage({ share: 1 });
  return python.runPython("import qviz_prepare\nqviz_prepare.prepare()\nfrom qviz.widgets.live import LivePage\nLivePage()");
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
