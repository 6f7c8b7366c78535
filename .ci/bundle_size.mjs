// How large a file is, gzipped, and whether that is at most so many bytes.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [file, most] = process.argv.slice(2);
const bytes = gzipSync(readFileSync(file), { level: 9 }).length;
console.log(`${file}, minified and gzipped: ${bytes} bytes (${most} at most)`);
process.exitCode = bytes <= Number(most) ? 0 : 1;
