/// <reference lib="dom" />

/** What every page starts: the theme, and what the page is. */

import { file } from "./file.ts";
import { flow } from "./flow.ts";
import { spec } from "./spec.ts";
import { theme } from "./theme.ts";

theme();
const page = document.body.dataset.page;
if (page === "flow") flow();
if (page === "spec") spec();
if (page === "file") file();
