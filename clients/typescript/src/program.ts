/** Which program to start as the service. It must not depend on the current folder. */

import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve, sep } from "node:path";

/** What `VOUCHD` names in the environment, else `vouchd` on `PATH`; an error that says why there is none. */
export async function serviceProgram(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const named = environment["VOUCHD"];
  if (named?.includes(sep)) return resolve(named);
  const found = await onPath(named || "vouchd", environment["PATH"] ?? "");
  if (found !== undefined) return found;
  throw new Error(
    named ? `VOUCHD names ${named}, which is not on PATH` : "no program named vouchd was found",
  );
}

async function onPath(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    // A relative entry would depend on the current folder.
    if (!isAbsolute(folder)) continue;
    const program = join(folder, name);
    if (await isProgram(program)) return program;
  }
  return undefined;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
