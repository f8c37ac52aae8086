"use strict";

// A client of GenerationService for Node, from the .proto files alone: nothing is generated.

const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const STYLE = { keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true };

const ERRORS = protoLoader.loadSync(path.join(__dirname, "google_rpc.proto"), STYLE);

/**
 * Opens a client.
 *
 * @param {string} address host:port
 * @param {object} [options]
 * @param {string} [options.protos] folder of the contract; by default the repository's
 * @param {string} [options.ca] file with the authorities to trust; without it, plaintext
 * @param {string} [options.token] sent with every call
 */
function connect(address, { protos, ca, token } = {}) {
  const folder = protos ?? path.join(__dirname, "..", "..", "..", "protos");
  const file = "expart/generation/v1/generation_service.proto";
  const contract = grpc.loadPackageDefinition(
    protoLoader.loadSync(file, { ...STYLE, includeDirs: [folder] }),
  );
  const config = "expart/generation/v1/generation_service_config.json";
  const options = {
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    // What the service may be asked again, and when; see protos/README.md.
    "grpc.service_config": fs.readFileSync(path.join(folder, config), "utf8"),
    "grpc.per_rpc_retry_buffer_size": MAX_MESSAGE_BYTES + 1024 * 1024,
    "grpc.retry_buffer_size": 4 * MAX_MESSAGE_BYTES,
    interceptors: token ? [bearer(token)] : [],
  };
  const credentials = ca
    ? grpc.credentials.createSsl(fs.readFileSync(ca))
    : grpc.credentials.createInsecure();
  return new contract.expart.generation.v1.GenerationService(address, credentials, options);
}

/** Adds a token to every call. */
function bearer(token) {
  return (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set("authorization", `Bearer ${token}`);
        next(metadata, listener);
      },
    });
}

/** Makes a call with one response; resolves to it, or rejects with gRPC's error. */
function call(client, method, request, timeoutSeconds = 600) {
  const deadline = Date.now() + timeoutSeconds * 1000;
  return new Promise((resolve, reject) => {
    client[method](request, { deadline }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
  });
}

/** Uploads an image in chunks; resolves to the service's answer. */
function putImage(client, digest, bytes, timeoutSeconds = 600) {
  const deadline = Date.now() + timeoutSeconds * 1000;
  return new Promise((resolve, reject) => {
    const upload = client.PutImage({ deadline }, (error, response) =>
      error ? reject(error) : resolve(response),
    );
    upload.write({ header: { digest, size_bytes: bytes.length } });
    for (let start = 0; start < bytes.length; start += 2 ** 20) {
      upload.write({ chunk: bytes.subarray(start, start + 2 ** 20) });
    }
    upload.end();
  });
}

/**
 * Reads the details of an error.
 *
 * @returns {{reason: string, metadata: object, retryAfterSeconds: ?number, violations: object[]}}
 */
function details(error) {
  const found = { reason: "", metadata: {}, retryAfterSeconds: null, violations: [] };
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!packed) return found; // gRPC itself or a proxy answered, not the service
  for (const { type_url: url, value } of unpack("google.rpc.Status", packed).details) {
    const name = url.slice(url.lastIndexOf("/") + 1);
    if (!(name in ERRORS)) continue;
    const detail = unpack(name, value);
    if (name === "google.rpc.ErrorInfo") {
      found.reason = detail.reason;
      found.metadata = detail.metadata;
    } else if (name === "google.rpc.RetryInfo") {
      const { seconds, nanos } = detail.retry_delay;
      found.retryAfterSeconds = seconds + nanos / 1e9;
    } else if (name === "google.rpc.BadRequest") {
      found.violations = detail.field_violations;
    }
  }
  return found;
}

function unpack(name, bytes) {
  return ERRORS[name].deserialize(bytes);
}

module.exports = { call, connect, details, putImage, status: grpc.status };
