/**
 * Goes on with trainings that PyTorch saved, for `scripts/check_training_state.py`: for each file
 * `0.pt`, `1.pt`, … of a folder, loads the parameters, the optimiser and the schedule, takes the steps
 * whose gradients the file holds, and writes `0.out.pt`, ….
 */

import {
  Adam,
  AdamW,
  CosineAnnealingLR,
  RMSprop,
  SGD,
  StepLR,
  type StoredTensor,
  type Tensor,
  type TorchValue,
} from "../../mod.ts";
import { readTorchFile, writeTorchFile } from "../../lib/checkpoints/mod.ts";

type Dict = ReadonlyMap<string, TorchValue>;

const optimizers = { Adam, AdamW, RMSprop, SGD };
const schedules = { CosineAnnealingLR, StepLR };

function tensors(list: unknown): Tensor[] {
  return (list as StoredTensor[]).map((stored) => stored.toTensor());
}

/** Takes the steps of one file; what PyTorch is to go on with. */
function trainOn(saved: Dict): Uint8Array {
  const plan = saved.get("plan") as Dict;
  const params = tensors(saved.get("params"));
  for (const param of params) param.requiresGrad = true;
  const names = ["weight", "bias"];
  const group = (k: number) => plan.get("named") ? [[names[k], params[k]]] : [params[k]];
  const groups = plan.get("groups")
    ? [{ params: group(1) }, { params: group(0) }]
    : [{ params: [...group(0), ...group(1)] }];
  const kind = optimizers[plan.get("optimizer") as keyof typeof optimizers];
  const optimizer = new kind(groups as never);
  const schedule = plan.get("scheduler") as keyof typeof schedules | null;
  const scheduler = schedule && new schedules[schedule](optimizer, 1);
  optimizer.loadStateDict(saved.get("optimizer") as never);
  scheduler?.loadStateDict(saved.get("scheduler") as never);
  for (const gradients of saved.get("gradients") as readonly TorchValue[]) {
    tensors(gradients).forEach((gradient, k) => params[k].grad = gradient);
    optimizer.step();
    scheduler?.step();
  }
  for (const param of params) param.requiresGrad = false;
  return writeTorchFile({
    params,
    optimizer: optimizer.stateDict(),
    scheduler: scheduler && scheduler.stateDict(),
  });
}

if (import.meta.main) {
  const [folder] = Deno.args;
  for (const { name } of Deno.readDirSync(folder)) {
    if (!/^\d+\.pt$/.test(name)) continue;
    const saved = readTorchFile(Deno.readFileSync(`${folder}/${name}`)) as Dict;
    Deno.writeFileSync(`${folder}/${name.replace(".pt", ".out.pt")}`, trainOn(saved));
  }
}
