// What is asked of the server, and kept while it does not change.

const MOST = 300;
const kept = new Map();

async function asked(path, words) {
  const response = await fetch(`${path}?${new URLSearchParams(words)}`);
  if (!response.ok) throw new Error((await response.text()).trim());
  return response;
}

function cached(key, make) {
  if (!kept.has(key)) {
    kept.set(key, make().catch((error) => { kept.delete(key); throw error; }));
    if (kept.size > MOST) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

function numbers(path, words, version) {
  return cached(JSON.stringify([path, words, version]), async () => {
    const response = await asked(path, words);
    const list = (name) => response.headers.get(name).split(",").map(Number);
    return { values: new Float32Array(await response.arrayBuffer()), shape: list("X-Shape"), step: list("X-Step") };
  });
}

export const runs = async () => (await asked("runs", {})).text();
export const plane = (words, version) => numbers("plane", words, version);
export const line = (words, version) => numbers("line", words, version);
export const picture = (run, file) => `picture?${new URLSearchParams({ run, name: file.name, version: file.version })}`;

export function surface(run, file) {
  return cached(JSON.stringify(["surface", run, file]), async () => {
    const bytes = await (await asked("surface", { run, name: file.name })).arrayBuffer();
    const [n, m] = new Uint32Array(bytes, 0, 2);
    return { vertices: new Float32Array(bytes, 8, 3 * n), faces: new Uint32Array(bytes, 8 + 12 * n, 3 * m) };
  });
}
