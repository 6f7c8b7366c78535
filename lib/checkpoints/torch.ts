/** Files of PyTorch's: what `checkpoint.ts` and `save.ts` load when they meet one. */

export { readTorch } from "./torch_file.ts";
export { torchFileParts } from "./torch_writer.ts";
