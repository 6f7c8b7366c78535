// Every file of golden/ is in the manifest with its SHA-256, and none is there that is not.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync("golden/manifest.json", "utf8"));
const files = { ...manifest.files, ...manifest.inputs };
const data = readdirSync("golden", { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.parentPath !== "golden")
  .map((entry) => `${entry.parentPath}/${entry.name}`.slice("golden/".length));
const digest = (file) => createHash("sha256").update(readFileSync(`golden/${file}`)).digest("hex");
const wrong = data.filter((file) => files[file]?.sha256 !== digest(file));
const missing = Object.keys(files).filter((file) => !data.includes(file));
if (wrong.length + missing.length) {
  console.error("not as in the manifest:", [...wrong, ...missing].join(", "));
  process.exit(1);
}
console.log(`${data.length} files as in the manifest`);
