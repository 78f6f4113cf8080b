// Where the programs are. What a workspace brings along is looked at only where it is trusted.

import { existsSync, readFileSync, realpathSync, statSync, accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, isAbsolute, join, relative } from "node:path";

/** Where to look. */
export interface Place {
  /** The setting `vouch.path`. */
  setting: string;
  /** `PATH`. */
  path: string;
  /** The folders of the workspace. */
  folders: string[];
  trusted: boolean;
}

/** The path of `vouchd`; undefined where there is none. */
export function find(place: Place): string | undefined {
  if (place.setting) return isAbsolute(place.setting) && isProgram(place.setting) ? place.setting : undefined;
  const inPath = inFolders("vouchd", place);
  if (inPath) return inPath;
  if (!place.trusted) return undefined;
  for (const folder of place.folders) {
    const found = ofPackage(join(folder, "node_modules/vouchd"));
    if (found) return found;
  }
  return undefined;
}

/** The path of `vouch`: beside `vouchd`, as all packages have them, else as it is found in `PATH`. */
export function commandLine(vouchd: string, place: Place): string | undefined {
  const beside = join(dirname(vouchd), "vouch");
  return isProgram(beside) ? beside : inFolders("vouch", place);
}

function inFolders(name: string, place: Place): string | undefined {
  for (const folder of place.path.split(delimiter)) {
    // One that is relative would be a folder of the workspace.
    if (!isAbsolute(folder)) continue;
    if (!place.trusted && place.folders.some((own) => isWithin(own, folder))) continue;
    const program = join(folder, name);
    if (isProgram(program)) return unwrapped(program, name);
  }
  return undefined;
}

/** npm puts a script there that starts Node before it starts the program: the package knows the program. */
function unwrapped(program: string, name: string): string | undefined {
  let real = program;
  try {
    real = realpathSync(program);
  } catch {
    return undefined;
  }
  if (!real.endsWith(`${name}.js`)) return program;
  return ofPackage(dirname(dirname(real)), name) ?? program;
}

/** The program of an npm package `vouchd` in this folder. */
function ofPackage(folder: string, name = "vouchd"): string | undefined {
  try {
    const manifest = join(folder, "package.json");
    if (!existsSync(manifest)) return undefined;
    const about = JSON.parse(readFileSync(manifest, "utf8")) as { name?: unknown };
    if (about.name !== "vouchd") return undefined;
    const required = createRequire(manifest)(folder) as { path(name: string): string };
    const program = required.path(name);
    return isProgram(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return !way.startsWith("..") && !isAbsolute(way);
}
