// The viewer's data: `expart.add(NAME, DATA)` hands them over, gzipped JSON in base64. The scripts
// that call it stand at the end of the page, or beside it in a folder and are asked for here.

const dataFiles = (() => {
  const KEPT = 12;
  const ADDRESS = /^report_data\/[\w/-]+\.js$/;
  const folder = document.body.dataset.external;
  const packed = new Map();
  const read = new Map();

  const rules = {
    createScriptURL: (address) => {
      if (!ADDRESS.test(address)) throw new Error(`${address} is no data file`);
      return address;
    },
  };
  const policy = globalThis.trustedTypes?.createPolicy("expart-data", rules) ?? rules;

  function add(file, text) {
    packed.set(file, text);
  }

  function fetched(file) {
    if (!folder) return Promise.reject(new Error(`this page holds no ${file}`));
    const address = `${folder}${file}.js`;
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const fail = () =>
        reject(new Error(`${address} cannot be read: keep the folder beside this page`));
      script.addEventListener("error", fail);
      script.addEventListener("load", () => {
        const text = packed.get(file);
        // What was read from the disk can be read again; the page keeps the answers of few.
        packed.delete(file);
        script.remove();
        if (text === undefined) fail();
        else resolve(text);
      });
      script.src = policy.createScriptURL(address);
      document.head.append(script);
    });
  }

  function bytesOf(text) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const characters = atob(text);
    const bytes = new Uint8Array(characters.length);
    for (let place = 0; place < bytes.length; place += 1) bytes[place] = characters.charCodeAt(place);
    return bytes;
  }

  async function unpack(file) {
    const text = packed.get(file) ?? (await fetched(file));
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  // Gives what a file holds; keeps what was asked for last.
  function load(file) {
    const known = read.get(file);
    const found = known ?? unpack(file);
    read.delete(file);
    read.set(file, found);
    if (!known) found.catch(() => read.delete(file));
    if (read.size > KEPT) read.delete(read.keys().next().value);
    return found;
  }

  return { add, load };
})();
