"use strict";

// What the tests have Node do: node node_calls.js WHAT ADDRESS, with the picture on standard input.
// Prints what came of it as JSON.

const crypto = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const { call, connect, details, putImage, status } = require(
  path.join(__dirname, "..", "..", "deploy", "clients", "node", "client.js"),
);

const [what, address] = process.argv.slice(2);
const client = connect(address, { ca: process.env.EXPART_CA, token: process.env.EXPART_TOKEN });
const picture = fs.readFileSync(0);
const base = { instruction: "Explain.", sampling: { max_tokens: 4 } };

function read(request, options = {}) {
  return new Promise((resolve, reject) => {
    const steps = [];
    const stream = client.StreamExplanation(request, { deadline: Date.now() + 60_000, ...options });
    stream.on("data", (step) => {
      steps.push(step);
      if (request.model === "slow") stream.cancel();
    });
    stream.on("error", (error) => (steps.length ? resolve([...steps, code(error)]) : reject(error)));
    stream.on("end", () => resolve(steps));
  });
}

function code(error) {
  return Object.keys(status).find((name) => status[name] === error.code);
}

const calls = {
  models: () => call(client, "ListModels", {}),
  explain: () =>
    call(client, "GenerateExplanation", { ...base, model: "a-model", image: { data: picture } }),
  wrong: () => call(client, "GenerateExplanation", { model: "a-model", sampling: { top_p: 3 } }),
  full: () => call(client, "GenerateExplanation", { ...base, model: "full" }),
  stream: () => read({ ...base, model: "a-model", image: { data: picture } }),
  deadline: () => call(client, "GenerateExplanation", { ...base, model: "slow" }, 0.5),
  cancel: () => read({ ...base, model: "slow" }),
  digest: async () => {
    const digest = `sha256:${crypto.createHash("sha256").update(picture).digest("hex")}`;
    const asked = { ...base, model: "a-model", image: { digest } };
    const missing = await call(client, "GenerateExplanation", asked).catch(details);
    const stored = await putImage(client, digest, picture);
    const answer = await call(client, "GenerateExplanation", asked);
    return { missing: missing.reason, stored, used: answer.completion.provenance.image_digest };
  },
};

calls[what]()
  .catch((error) => ({ code: code(error), ...details(error) }))
  .then((result) => {
    console.log(JSON.stringify(result));
    client.close();
  });
