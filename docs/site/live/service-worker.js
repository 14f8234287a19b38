// Lets the pages that were opened, and Python once it was loaded, be there without a network.
const SITE = "qviz-site-@VERSION@";
const PYTHON = "qviz-python-@PYTHON@"; // 18 MB that a new version of the site does not change
const CDN = "@CDN@";
// What has its version in its address never changes; anything else is asked for anew while there is a network.
const FIXED = /[?&](v|digest)=|\/qviz-[0-9a-f]+\.zip$|\/states\/|\/_images\//;

const ofPython = (url) => url.startsWith(CDN) || url.includes("/live/pyodide/");
const shelf = (url) => caches.open(ofPython(url) ? PYTHON : SITE);

async function fetched(request) {
  const answer = await fetch(request);
  if (answer.status === 200) await (await shelf(request.url)).put(request, answer.clone()).catch(() => {}); // full
  return answer;
}

const kept = async (request) => (await shelf(request.url)).match(request, { ignoreSearch: request.mode === "navigate" });

async function fresh(request) {
  try { return await fetched(request); } catch (offline) {
    const old = await kept(request);
    if (!old) throw offline;
    return old;
  }
}

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  const old = (await caches.keys()).filter((name) => name.startsWith("qviz-") && name !== SITE && name !== PYTHON);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
})()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.url.startsWith(`${self.registration.scope}lite/`)) return; // JupyterLite has a worker of its own
  if (request.method !== "GET" || !(request.url.startsWith(self.registration.scope) || request.url.startsWith(CDN))) return;
  const fixed = FIXED.test(request.url) || ofPython(request.url);
  event.respondWith(fixed ? kept(request).then((held) => held ?? fetched(request)) : fresh(request));
});

// A page that was opened before this started says what it has loaded; the browser has that at hand.
self.addEventListener("message", ({ data, source }) => (async () => {
  for (const url of data.keep) {
    const request = new Request(url);
    if (!(await kept(request))) await fetched(request).catch(() => {});
  }
  source.postMessage({ kept: data.keep.length });
})());
