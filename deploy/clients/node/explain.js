#!/usr/bin/env node
"use strict";

// Asks for an explanation and prints it as it grows:
//   node explain.js ADDRESS MODEL IMAGE INSTRUCTION
// EXPART_CA names a file with the authorities to trust, EXPART_TOKEN is sent with every call.

const crypto = require("node:crypto");
const fs = require("node:fs");
const { connect, details } = require("./client.js");

const [address, model, file, instruction] = process.argv.slice(2);
if (!instruction) {
  console.error("usage: node explain.js ADDRESS MODEL IMAGE INSTRUCTION");
  process.exit(2);
}

const client = connect(address, { ca: process.env.EXPART_CA, token: process.env.EXPART_TOKEN });
const request = {
  request_id: crypto.randomUUID(), // a repeated request generates nothing twice
  model,
  instruction,
  image: { data: fs.readFileSync(file) },
  sampling: { max_tokens: 100, temperature: 0 },
};
const stream = client.StreamExplanation(request, { deadline: Date.now() + 600_000 });
process.once("SIGINT", () => stream.cancel()); // frees the engine's slot

stream.on("data", (step) => {
  if (step.event === "text_delta") {
    process.stdout.write(step.text_delta);
  } else {
    const { finish_reason: reason, usage, provenance } = step.completion;
    process.stdout.write("\n");
    console.error(`${reason}, ${usage.generated_token_count} tokens, ${provenance.revision}`);
  }
});
stream.on("error", (error) => {
  const { reason, retryAfterSeconds, violations } = details(error);
  console.error(`${reason || error.code}: ${error.details}`);
  for (const { field, description } of violations) console.error(`  ${field} ${description}`);
  if (retryAfterSeconds !== null) console.error(`  try again in ${retryAfterSeconds} s`);
  process.exitCode = 1;
  client.close();
});
stream.on("end", () => client.close());
