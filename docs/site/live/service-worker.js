// Makes visited pages, and Python once it was loaded, available offline.
const SITE = "qviz-site-@VERSION@";
const PYTHON = "qviz-python-@PYTHON@"; // 18 MB that stay the same when the site is updated
const CDN = "@CDN@";
// A URL that contains a version never changes its content; all others are fetched again while there is a network.
const FIXED = /[?&](v|digest)=|\/qviz-[0-9a-f]+\.zip$|\/states\/|\/_images\//;

const ofPython = (url) => url.startsWith(CDN) || url.includes("/live/pyodide/");
const cacheFor = (url) => caches.open(ofPython(url) ? PYTHON : SITE);

async function fetched(request) {
  const answer = await fetch(request);
  if (answer.status === 200) await (await cacheFor(request.url)).put(request, answer.clone()).catch(() => {}); // the storage may be full
  return answer;
}

const kept = async (request) => (await cacheFor(request.url)).match(request, { ignoreSearch: request.mode === "navigate" });

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
  if (request.url.startsWith(`${self.registration.scope}lite/`)) return; // JupyterLite has its own service worker
  if (request.method !== "GET" || !(request.url.startsWith(self.registration.scope) || request.url.startsWith(CDN))) return;
  const fixed = FIXED.test(request.url) || ofPython(request.url);
  event.respondWith(fixed ? kept(request).then((held) => held ?? fetched(request)) : fresh(request));
});

// A page that was opened before this worker started sends the URLs that it has loaded; they are in the HTTP cache.
self.addEventListener("message", ({ data, source }) => (async () => {
  for (const url of data.keep) {
    const request = new Request(url);
    if (!(await kept(request))) await fetched(request).catch(() => {});
  }
  source.postMessage({ kept: data.keep.length });
})());
