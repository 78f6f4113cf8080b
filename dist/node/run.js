// Runs one of the programs in place of this script.
"use strict";

const { spawn } = require("node:child_process");
const { path } = require("./index.js");

module.exports = (name) => {
  let program;
  try {
    program = path(name);
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exit(2);
  }
  const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
  // A terminal sends these to both.
  for (const signal of ["SIGINT", "SIGQUIT"]) process.on(signal, () => {});
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`${name}: cannot run ${program}: ${error.message}`);
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
};
