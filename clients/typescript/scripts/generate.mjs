// Writes src/protocol.ts from protocol/openrpc.json; with --check, says whether it is the same.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const document = new URL("../../../protocol/openrpc.json", import.meta.url);
const target = new URL("../src/protocol.ts", import.meta.url);
const openrpc = JSON.parse(await readFile(document, "utf8"));

/** Every named schema as a member of one, which the compiler takes for its definitions. */
function schema() {
  const text = JSON.stringify(openrpc.components.schemas);
  const definitions = JSON.parse(text.replaceAll("#/components/schemas/", "#/definitions/"), opened);
  const names = Object.keys(definitions);
  return {
    title: "Protocol",
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/definitions/${name}` }])),
    required: names,
    definitions,
  };
}

/** What may grow stays open, and still offers the words that are known. */
function opened(_name, schema) {
  if (Array.isArray(schema?.anyOf) && schema.anyOf.some((arm) => arm.enum)) {
    return {
      ...schema,
      anyOf: schema.anyOf.map((arm) =>
        arm.type === "string" && !arm.enum ? { ...arm, tsType: "string & {}" } : arm,
      ),
    };
  }
  return schema;
}

const reference = (schema) => schema.$ref?.split("/").at(-1);

function methods() {
  const lines = openrpc.methods.map((method) => {
    const params = reference(method["x-params"]);
    const result = reference(method.result.schema) ?? method.result.schema.type ?? "unknown";
    return `  /** ${method.summary} */\n  ${JSON.stringify(method.name)}: { params: ${params}; result: ${result} };`;
  });
  return `/** What each method takes and answers. */\nexport interface Methods {\n${lines.join("\n")}\n}\n`;
}

function kinds() {
  const rows = Object.values(openrpc.components.errors).map(({ code, data }) => {
    const refusal = data["x-refusal"] === true;
    return `  ${data.kind}: { code: ${code}, retryable: ${data.retryable}, refusal: ${refusal} },`;
  });
  return `/** What is known of a kind of error. */
export interface KindOfError {
  readonly code: number;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** Whether it says that the artifact does not satisfy the signature rule. */
  readonly refusal: boolean;
}

/** Every kind of error of this version. */
export const KINDS: Readonly<Record<KnownErrorKind, KindOfError>> = {
${rows.join("\n")}
};
`;
}

const banner = `// Made by scripts/generate.mjs from protocol/openrpc.json: \`npm run generate\` makes it anew.
`;
const types = await compile(schema(), "Protocol", {
  bannerComment: banner,
  additionalProperties: false,
  format: true,
  style: { printWidth: 100 },
});
const version = `/** The version of the protocol that this is. */\nexport const PROTOCOL_VERSION = ${JSON.stringify(openrpc.info.version)};\n`;
// The one schema around them is nobody's.
const all = [types.replace(/export interface Protocol \{[^}]*\}\n/, ""), methods(), kinds(), version].join("\n");

if (process.argv.includes("--check")) {
  const found = await readFile(target, "utf8").catch(() => "");
  if (found !== all) {
    console.error("src/protocol.ts is not what protocol/openrpc.json says: npm run generate");
    process.exitCode = 1;
  }
} else {
  await writeFile(target, all);
}
