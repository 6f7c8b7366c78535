// The bundle named on the command line, in Node: the notebook's number, and two threads.
import { pathToFileURL } from "node:url";

const rnn = await import(pathToFileURL(process.argv[2]).href);
const { linspace, LSTM, manualSeed, noGrad, randn, reshape, SimpleRNN, sin } = rnn;
const [lstm, x] = [new LSTM(64, 64), randn([20, 9, 64])];
const alone = noGrad(() => lstm.forward(x)[0].data);
await rnn.setNumThreads(2);
const together = noGrad(() => lstm.forward(x)[0].data);
const same = alone.every((y, k) => y === together[k]);
console.log("two threads give the bits of one:", same);
manualSeed(1949603856);
new SimpleRNN(1, 5, 1);
const wave = reshape(sin(linspace(0, Math.PI, 10)), [1, 10, 1]);
const printed = String(new SimpleRNN(1, 5, 1).forward(wave));
console.log(printed);
process.exitCode = same && printed.startsWith("tensor([[-0.0877]]") ? 0 : 1;
