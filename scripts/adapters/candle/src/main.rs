//! candle's LSTM, GRU and Linear, put to the goldens.

use candle_core::{DType, Device, Tensor as T};
use candle_nn::rnn::{gru, lstm, GRUConfig, GRUState, LSTMConfig, LSTMState, RNN};
use candle_nn::{Linear, Module, VarBuilder};
use rnn_spec_adapter::{run, Adapter, Failure, Kind, Tensor, Weights};
use std::collections::HashMap;

fn to(x: &Tensor) -> candle_core::Result<T> {
    T::from_vec(x.f32(), x.shape.clone(), &Device::Cpu)
}

fn from(x: &T) -> candle_core::Result<Tensor> {
    Ok(Tensor::new(x.dims(), &x.flatten_all()?.to_vec1::<f32>()?))
}

fn layer(kind: Kind, x: &Tensor, state: &[Tensor], w: &Weights) -> Result<Vec<Tensor>, Failure> {
    let mut named = HashMap::from([("weight_ih_l0".into(), to(&w.ih)?)]);
    named.insert("weight_hh_l0".to_string(), to(&w.hh)?);
    if let (Some(b_ih), Some(b_hh)) = (&w.b_ih, &w.b_hh) {
        named.insert("bias_ih_l0".into(), to(b_ih)?);
        named.insert("bias_hh_l0".into(), to(b_hh)?);
    }
    let bias = w.b_ih.is_some();
    let vb = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
    let x = to(x)?.transpose(0, 1)?.contiguous()?;
    let features = x.dim(2)?;
    let (steps, last) = match kind {
        Kind::Rnn => return Err(Failure::Unsupported("RNN: there is no such layer".into())),
        Kind::Lstm => {
            let config = if bias { LSTMConfig::default() } else { LSTMConfig::default_no_bias() };
            let own = lstm(features, w.size, config, vb)?;
            let states = own.seq_init(&x, &LSTMState::new(to(&state[0])?, to(&state[1])?))?;
            let last = states.last().ok_or(Failure::Error("no step".into()))?.clone();
            let steps: Vec<T> = states.iter().map(|s| s.h().clone()).collect();
            (steps, vec![last.h, last.c])
        }
        Kind::Gru => {
            let config = if bias { GRUConfig::default() } else { GRUConfig::default_no_bias() };
            let own = gru(features, w.size, config, vb)?;
            let states = own.seq_init(&x, &GRUState { h: to(&state[0])? })?;
            let steps: Vec<T> = states.iter().map(|s| s.h.clone()).collect();
            let last = steps.last().ok_or(Failure::Error("no step".into()))?.clone();
            (steps, vec![last])
        }
    };
    let mut results = vec![from(&T::stack(&steps, 0)?)?];
    for part in last {
        results.push(from(&part)?);
    }
    Ok(results)
}

fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, Failure> {
    let own = Linear::new(to(weight)?, bias.map(to).transpose()?);
    // A Linear wants a matrix.
    let (features, mut shape) = (weight.shape[1], x.shape.clone());
    let rows = shape[..shape.len() - 1].iter().product::<usize>();
    let flat = from(&own.forward(&to(x)?.reshape((rows, features))?)?)?;
    *shape.last_mut().unwrap() = weight.shape[0];
    Ok(Tensor { shape, data: flat.data })
}

fn main() {
    run(Adapter { name: "candle 0.11.1", float64: false, layer: &layer, linear: Some(&linear) });
}
