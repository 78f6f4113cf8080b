// Where the programs are, for editors and scripts: `require("vouchd").path("vouchd")`. Starting that
// file saves starting Node first.
"use strict";

const { dirname, join } = require("node:path");

/** The path of `vouchd` or `vouch`. Throws where there is no build for this machine. */
function path(program) {
  const machine = `${process.platform}-${process.arch}`;
  let found;
  try {
    found = require.resolve(`@vouchd/${machine}/package.json`);
  } catch {
    throw new Error(
      `there is no build for this machine (${machine}): either there is none at all, or it was ` +
        "left out because npm ran with --omit=optional. With Rust, build it from the source: " +
        "cargo install --path .",
    );
  }
  return join(dirname(found), "bin", program);
}

module.exports = { path };
