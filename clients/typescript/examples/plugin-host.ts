// A plugin host: what it is asked to load is resolved, verified, and handed to it as a digest and a file.
//
//   node plugin-host.js ghcr.io/acme/plugin:1 FOLDER
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Client, ServerError, VouchError, escaped, isAccepted, isRefused } from "vouch-client";

/** What a host may load. */
export interface Plugin {
  /** SHA-256 of the file's bytes: what a host keeps compiled code under. */
  digest: string;
  file: string;
  /** Who signed it. */
  signer: string;
}

/** Resolves a reference, and fetches what it names; fails where the service does not vouch for it. */
export async function plugin(client: Client, reference: string, folder: string): Promise<Plugin> {
  const options = { signal: AbortSignal.timeout(5 * 60_000) };
  // Resolved and judged in one step: what is pulled below is what was judged here.
  const verified = await client.verify({ reference }, options);
  if (isRefused(verified)) throw new Error(verified.refusal.message);
  if (!isAccepted(verified) || verified.reference == null) throw new Error("it is not accepted");
  const { artifact, signature } = verified;
  await mkdir(folder, { recursive: true });
  // Its name is its digest: what is there already is compared, and not fetched again.
  const destination = join(resolve(folder), `${artifact.digest.replace(":", "-")}.wasm`);
  const pulled = await client.pull({ reference: verified.reference, destination }, options);
  return { digest: artifact.digest, file: pulled.path, signer: signature.signer.id };
}

const [reference = "", folder = "plugins"] = process.argv.slice(2);
const client = await Client.connectOrStart({ name: "plugin-host" });
try {
  const { digest, file } = await plugin(client, reference, folder);
  console.log(digest, file);
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.error(escaped(error.message));
  if (error instanceof ServerError && error.help !== undefined) console.error(escaped(error.help));
  process.exitCode = error instanceof VouchError ? 2 : 1;
} finally {
  await client.close();
}
