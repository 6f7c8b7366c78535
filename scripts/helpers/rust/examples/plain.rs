//! The three layers by hand: an example of an adapter, and the test of the crate.

use rnn_spec_adapter::{run, Adapter, Failure, Kind, Tensor, Weights};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// y = W x + b for each row of x.
fn affine(x: &Tensor, w: &Tensor, b: Option<&Tensor>) -> Tensor {
    let (features, size) = (w.shape[1], w.shape[0]);
    let rows: usize = x.shape[..x.shape.len() - 1].iter().product();
    let mut data = Vec::with_capacity(rows * size);
    for row in 0..rows {
        for k in 0..size {
            let bias = b.map_or(0.0, |b| b.data[k]);
            let dot = |i: usize| w.data[k * features + i] * x.data[row * features + i];
            data.push(bias + (0..features).map(dot).sum::<f64>());
        }
    }
    let mut shape = x.shape.clone();
    *shape.last_mut().unwrap() = size;
    Tensor { shape, data }
}

fn layer(kind: Kind, x: &Tensor, state: &[Tensor], w: &Weights) -> Result<Vec<Tensor>, Failure> {
    let (length, batch, size) = (x.shape[0], x.shape[1], w.size);
    let mut state = state.to_vec();
    let mut output = Vec::new();
    for t in 0..length {
        let a = affine(&x.at(t), &w.ih, w.b_ih.as_ref());
        let b = affine(&state[0], &w.hh, w.b_hh.as_ref());
        for n in 0..batch {
            for k in 0..size {
                let at = |gate: usize| (n * w.gates() + gate) * size + k;
                let (from_x, from_h) = (|g| a.data[at(g)], |g| b.data[at(g)]);
                let sum = |g| from_x(g) + from_h(g);
                let old = state[0].data[n * size + k];
                state[0].data[n * size + k] = match kind {
                    Kind::Rnn if w.relu => if sum(0) < 0.0 { 0.0 } else { sum(0) },
                    Kind::Rnn => sum(0).tanh(),
                    Kind::Gru => {
                        let (r, z) = (sigmoid(sum(0)), sigmoid(sum(1)));
                        (1.0 - z) * (from_x(2) + r * from_h(2)).tanh() + z * old
                    }
                    Kind::Lstm => {
                        let c = &mut state[1].data[n * size + k];
                        *c = sigmoid(sum(1)) * *c + sigmoid(sum(0)) * sum(2).tanh();
                        sigmoid(sum(3)) * c.tanh()
                    }
                };
            }
        }
        output.extend(state[0].data.clone());
    }
    let mut results = vec![Tensor { shape: vec![length, batch, size], data: output }];
    results.extend(state);
    Ok(results)
}

fn main() {
    let linear = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| Ok(affine(x, w, b));
    run(Adapter { name: "plain Rust", float64: true, layer: &layer, linear: Some(&linear) });
}
