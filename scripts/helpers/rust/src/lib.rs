//! What every adapter for the rnn-spec conformance kit needs, in one folder to copy.
//!
//! An adapter puts a framework's recurrent layers to the goldens. With this crate it is one function,
//! which runs one layer in one direction over a batch of sequences:
//!
//! ```no_run
//! use rnn_spec_adapter::{run, Adapter, Failure, Kind, Tensor, Weights};
//!
//! fn layer(kind: Kind, x: &Tensor, state: &[Tensor], w: &Weights) -> Result<Vec<Tensor>, Failure> {
//!     if kind != Kind::Lstm {
//!         return Err(Failure::Unsupported("only LSTM".into()));
//!     }
//!     let (output, h, c) = todo!("the framework, fed with w.ih.f32(), state[0].f32() …");
//!     Ok(vec![output, h, c])
//! }
//!
//! run(Adapter { name: "framework 1.0", float64: false, layer: &layer, linear: None });
//! ```
//!
//! `x` is (L, N, features), time first; `state` is [h] or [h, c], each (N, H); `w` holds the weights in
//! PyTorch's layout. What is returned is the output, (L, N, H), then the last h, and c. A panic is
//! answered as a refusal. The rest is done here: the forms of a request (cells, no batch, batch_first),
//! states that are left out, layers on top of each other, the reverse direction (time is turned around
//! before and after), reading and writing of JSON. Packed sequences and projections are unsupported.

use serde_json::{json, Map, Value};
use std::io::{BufRead, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};

/// A tensor, flat and row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// The extent of each dimension.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of a shape, from numbers of either float type.
    pub fn new<T: Into<f64> + Copy>(shape: &[usize], data: &[T]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?}");
        Tensor { shape: shape.to_vec(), data: data.iter().map(|&x| x.into()).collect() }
    }

    /// The elements as float32.
    pub fn f32(&self) -> Vec<f32> {
        self.data.iter().map(|&x| x as f32).collect()
    }

    /// One index of the first dimension.
    pub fn at(&self, index: usize) -> Tensor {
        let size = self.shape[1..].iter().product::<usize>();
        Tensor { shape: self.shape[1..].to_vec(), data: self.data[index * size..][..size].to_vec() }
    }

    /// Tensors of one shape on top of each other, along a new first dimension.
    pub fn stack(parts: &[Tensor]) -> Tensor {
        let mut shape = vec![parts.len()];
        shape.extend(&parts[0].shape);
        Tensor { shape, data: parts.iter().flat_map(|part| part.data.clone()).collect() }
    }

    /// A matrix turned around.
    pub fn transpose(&self) -> Tensor {
        let mut turned = self.clone();
        turned.shape.push(1);
        let mut turned = turned.swap();
        turned.shape.pop();
        turned
    }

    /// The first two dimensions exchanged.
    fn swap(&self) -> Tensor {
        let (a, b) = (self.shape[0], self.shape[1]);
        let size = self.shape[2..].iter().product::<usize>();
        let mut data = Vec::with_capacity(self.data.len());
        for j in 0..b {
            for i in 0..a {
                data.extend(&self.data[(i * b + j) * size..][..size]);
            }
        }
        let mut shape = self.shape.clone();
        shape.swap(0, 1);
        Tensor { shape, data }
    }

    fn reversed(&self) -> Tensor {
        let parts: Vec<_> = (0..self.shape[0]).rev().flat_map(|t| self.at(t).data).collect();
        Tensor { shape: self.shape.clone(), data: parts }
    }

    /// With a dimension of extent 1 added.
    fn unsqueeze(mut self, dim: usize) -> Tensor {
        self.shape.insert(dim, 1);
        self
    }

    fn squeeze(mut self, dim: usize) -> Tensor {
        self.shape.remove(dim);
        self
    }
}

/// The recurrent layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// tanh or relu, see [`Weights::relu`].
    Rnn,
    /// Gates i, f, g, o.
    Lstm,
    /// Gates r, z, n.
    Gru,
}

/// The weights of one layer in one direction, as PyTorch has them.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Which layer it is.
    pub kind: Kind,
    /// Whether an RNN has relu in place of tanh.
    pub relu: bool,
    /// H.
    pub size: usize,
    /// (gates * H, features)
    pub ih: Tensor,
    /// (gates * H, H)
    pub hh: Tensor,
    /// (gates * H)
    pub b_ih: Option<Tensor>,
    /// (gates * H)
    pub b_hh: Option<Tensor>,
}

impl Weights {
    /// One gate's rows of a tensor of gates.
    pub fn gate(&self, x: &Tensor, index: usize) -> Tensor {
        let size = x.data.len() / self.gates();
        let mut shape = x.shape.clone();
        shape[0] = self.size;
        Tensor { shape, data: x.data[index * size..][..size].to_vec() }
    }

    /// How many gates there are.
    pub fn gates(&self) -> usize {
        match self.kind {
            Kind::Rnn => 1,
            Kind::Lstm => 4,
            Kind::Gru => 3,
        }
    }

    /// b_ih + b_hh, where there are biases.
    pub fn bias(&self) -> Option<Tensor> {
        let (a, b) = (self.b_ih.as_ref()?, self.b_hh.as_ref()?);
        let data = a.data.iter().zip(&b.data).map(|(x, y)| x + y).collect();
        Some(Tensor { shape: a.shape.clone(), data })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The framework has no such thing.
    Unsupported(String),
    /// The framework refuses.
    Error(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Error(error.to_string())
    }
}

/// One layer in one direction over a batch of sequences.
pub type Layer<'a> = &'a dyn Fn(Kind, &Tensor, &[Tensor], &Weights) -> Result<Vec<Tensor>, Failure>;

/// A Linear: the input, the weight, the bias.
pub type Linear<'a> = &'a dyn Fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor, Failure>;

/// What an adapter consists of.
pub struct Adapter<'a> {
    /// The framework and its version, which `--version` prints.
    pub name: &'a str,
    /// Whether float64 is put to it.
    pub float64: bool,
    /// One layer in one direction.
    pub layer: Layer<'a>,
    /// A Linear, where there is one.
    pub linear: Option<Linear<'a>>,
}

fn unsupported<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Unsupported(why.into()))
}

fn read(value: &Value) -> Tensor {
    let number = |x: &Value| match x.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => x.as_f64().unwrap_or(f64::NAN),
    };
    let list = |name: &str| value[name].as_array().cloned().unwrap_or_default();
    Tensor {
        shape: list("shape").iter().map(|x| x.as_u64().unwrap_or(0) as usize).collect(),
        data: list("data").iter().map(number).collect(),
    }
}

fn write(x: &Tensor) -> Value {
    let number = |&x: &f64| match x {
        x if x.is_nan() => json!("NaN"),
        x if x.is_infinite() => json!(if x > 0.0 { "Infinity" } else { "-Infinity" }),
        x => json!(x),
    };
    json!({ "shape": x.shape, "data": x.data.iter().map(number).collect::<Vec<_>>() })
}

fn layers(kind: Kind, relu: bool, state: &Map<String, Value>, cell: bool) -> Vec<Vec<Weights>> {
    let mut found = Vec::new();
    for k in 0.. {
        let of = |end: &str| {
            let suffix = if cell { String::new() } else { format!("_l{k}{end}") };
            let part = |name: &str| state.get(&format!("{name}{suffix}")).map(read);
            let (ih, hh) = (part("weight_ih")?, part("weight_hh")?);
            let size = hh.shape[1];
            Some(Weights { kind, relu, size, ih, hh, b_ih: part("bias_ih"), b_hh: part("bias_hh") })
        };
        let ends: &[&str] = if cell { &[""] } else { &["", "_reverse"] };
        let own: Vec<_> = ends.iter().filter_map(|end| of(end)).collect();
        if own.is_empty() || cell && k > 0 {
            return found;
        }
        found.push(own);
    }
    found
}

impl Adapter<'_> {
    fn answer(&self, request: &Value) -> Result<Vec<(&'static str, Tensor)>, Failure> {
        let (args, inputs) = (&request["args"], &request["inputs"]);
        let module = request["module"].as_str().unwrap_or("");
        if request["op"] != "forward" {
            return unsupported("only forward passes are put to it");
        }
        if request["dtype"] == "float64" && !self.float64 {
            return unsupported("float64");
        }
        let state_dict = request["state_dict"].as_object().cloned().unwrap_or_default();
        if module == "Linear" {
            let Some(linear) = self.linear else { return unsupported("module Linear") };
            let bias = state_dict.get("bias").map(read);
            let weight = read(&state_dict["weight"]);
            return Ok(vec![("output", linear(&read(&inputs["input"]), &weight, bias.as_ref())?)]);
        }
        let cell = module.ends_with("Cell");
        let kind = match module.trim_end_matches("Cell") {
            "RNN" => Kind::Rnn,
            "LSTM" => Kind::Lstm,
            "GRU" => Kind::Gru,
            _ => return unsupported(format!("module {module}")),
        };
        if args["proj_size"].as_u64().unwrap_or(0) > 0 {
            return unsupported("proj_size");
        }
        if !inputs["lengths"].is_null() {
            return unsupported("packed sequences: there are no lengths");
        }
        if request["training"] == true && args["dropout"].as_f64().unwrap_or(0.0) > 0.0 {
            return unsupported("dropout in training");
        }
        let layers = layers(kind, args["nonlinearity"] == "relu", &state_dict, cell);
        self.recurrent(kind, cell, args["batch_first"] == true, inputs, &layers)
    }

    /// Brings the forms of a request to one, runs the layers, and brings the results back.
    fn recurrent(
        &self,
        kind: Kind,
        cell: bool,
        batch_first: bool,
        inputs: &Value,
        layers: &[Vec<Weights>],
    ) -> Result<Vec<(&'static str, Tensor)>, Failure> {
        let given = |name: &str| (!inputs[name].is_null()).then(|| read(&inputs[name]));
        let mut x = read(&inputs["input"]);
        let single = x.shape.len() == if cell { 1 } else { 2 };
        let flip = batch_first && !single && !cell;
        let widen = |x: Tensor| match (cell, single) {
            (true, true) => x.unsqueeze(0).unsqueeze(0),
            (true, false) => x.unsqueeze(0),
            (false, true) => x.unsqueeze(1),
            (false, false) => x,
        };
        x = widen(x);
        if flip {
            x = x.swap();
        }
        let count = if kind == Kind::Lstm { 2 } else { 1 };
        let rows = layers.iter().map(Vec::len).sum::<usize>();
        let size = layers[0][0].size;
        let zeros = Tensor {
            shape: vec![rows, x.shape[1], size],
            data: vec![0.0; rows * x.shape[1] * size],
        };
        let names = ["h_0", "c_0"];
        let states: Vec<_> =
            names[..count].iter().map(|name| given(name).map_or(zeros.clone(), widen)).collect();
        let mut finals: Vec<Vec<Tensor>> = vec![Vec::new(); count];
        for directions in layers {
            let mut halves = Vec::new();
            for (direction, w) in directions.iter().enumerate() {
                let start: Vec<_> = states.iter().map(|s| s.at(finals[0].len())).collect();
                let turned = if direction == 1 { x.reversed() } else { x.clone() };
                let mut results = (self.layer)(kind, &turned, &start, w)?;
                let output = results.remove(0);
                halves.push(if direction == 1 { output.reversed() } else { output });
                for (all, own) in finals.iter_mut().zip(results) {
                    all.push(own);
                }
            }
            x = if halves.len() == 1 { halves.remove(0) } else { beside(&halves[0], &halves[1]) };
        }
        let mut finals = finals.iter().map(|all| Tensor::stack(all));
        let narrow = |x: Tensor| match (cell, single) {
            (true, true) => x.squeeze(0).squeeze(0),
            (true, false) => x.squeeze(0),
            (false, true) => x.squeeze(1),
            (false, false) => x,
        };
        let names = if cell { ["h_1", "c_1"] } else { ["h_n", "c_n"] };
        let mut outputs = Vec::new();
        if !cell {
            let y = if flip { x.swap() } else { x };
            outputs.push(("output", narrow(y)));
        }
        for name in &names[..count] {
            outputs.push((name, narrow(finals.next().expect("as many as names"))));
        }
        Ok(outputs)
    }
}

/// Two tensors side by side in the last dimension.
fn beside(a: &Tensor, b: &Tensor) -> Tensor {
    let (m, n) = (a.shape[2], b.shape[2]);
    let rows = a.shape[0] * a.shape[1];
    let data = (0..rows)
        .flat_map(|i| [&a.data[i * m..][..m], &b.data[i * n..][..n]].concat())
        .collect();
    Tensor { shape: vec![a.shape[0], a.shape[1], m + n], data }
}

/// Answers requests on standard input until it ends.
pub fn run(adapter: Adapter) {
    if std::env::args().any(|arg| arg == "--version") {
        return println!("{}", adapter.name);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input can be read");
        if line.trim().is_empty() {
            continue;
        }
        let request: Value = serde_json::from_str(&line).expect("a request is JSON");
        let mut answer = Map::new();
        answer.insert("id".into(), request["id"].clone());
        let error = |message: String| json!({ "type": "Error", "message": message });
        match catch_unwind(AssertUnwindSafe(|| adapter.answer(&request))) {
            Ok(Ok(outputs)) => {
                let named = outputs.iter().map(|(name, x)| (name.to_string(), write(x)));
                answer.insert("outputs".into(), Value::Object(named.collect()));
            }
            Ok(Err(Failure::Unsupported(why))) => {
                answer.insert("unsupported".into(), why.into());
            }
            Ok(Err(Failure::Error(message))) => {
                answer.insert("error".into(), error(message));
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or(panic.downcast_ref::<&str>().map(|text| text.to_string()));
                answer.insert("error".into(), error(format!("panic: {}", text.unwrap_or_default())));
            }
        }
        writeln!(stdout, "{}", Value::Object(answer)).expect("standard output can be written");
        stdout.flush().expect("standard output can be written");
    }
}
