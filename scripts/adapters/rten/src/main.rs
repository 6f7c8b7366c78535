//! rten runs the models of scripts/adapters/onnx/bridge.ts.

use rten::{Model, Value as Input, ValueOrView};
use rten_tensor::prelude::*;
use serde_json::{json, Value};
use std::error::Error;
use std::io::{BufRead, Write};

fn number(x: &Value) -> f64 {
    match x.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => x.as_f64().unwrap_or(f64::NAN),
    }
}

fn input(x: &Value) -> Result<Input, Box<dyn Error>> {
    let list = |name: &str| x[name].as_array().cloned().unwrap_or_default();
    let shape: Vec<usize> = list("shape").iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data: Vec<f64> = list("data").iter().map(number).collect();
    match x["dtype"].as_str() {
        Some("float64") => Err("there is no float64".into()),
        Some("int32") => {
            let data: Vec<i32> = data.iter().map(|&x| x as i32).collect();
            Ok(rten_tensor::Tensor::<i32>::from_data(&shape, data).into())
        }
        _ => {
            let data: Vec<f32> = data.iter().map(|&x| x as f32).collect();
            Ok(rten_tensor::Tensor::<f32>::from_data(&shape, data).into())
        }
    }
}

fn compute(asked: &Value) -> Result<Value, Box<dyn Error>> {
    let model = Model::load_file(asked["model"].as_str().unwrap())?;
    let mut feeds: Vec<(rten::NodeId, ValueOrView)> = Vec::new();
    for &id in model.input_ids() {
        let name = model.node_info(id).and_then(|info| info.name().map(str::to_string));
        feeds.push((id, input(&asked["inputs"][name.unwrap_or_default()])?.into()));
    }
    let found = model.run(feeds, model.output_ids(), None)?;
    let mut outputs = serde_json::Map::new();
    for (&id, x) in model.output_ids().iter().zip(found) {
        let x: rten_tensor::Tensor<f32> = x.try_into()?;
        let text = |&x: &f32| match x {
            x if x.is_nan() => json!("NaN"),
            x if x.is_infinite() => json!(if x > 0.0 { "Infinity" } else { "-Infinity" }),
            x => json!(x as f64),
        };
        let data: Vec<Value> = x.iter().map(text).collect();
        let name = model.node_info(id).and_then(|info| info.name().map(str::to_string));
        outputs.insert(name.unwrap_or_default(), json!({ "shape": x.shape(), "data": data }));
    }
    Ok(outputs.into())
}

fn main() {
    if std::env::args().any(|arg| arg == "--version") {
        return println!("rten 0.27.0");
    }
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match std::panic::catch_unwind(|| compute(&asked).map_err(|e| e.to_string())) {
            Ok(Ok(outputs)) => json!({ "outputs": outputs }),
            Ok(Err(error)) => json!({ "error": error.chars().take(400).collect::<String>() }),
            Err(_) => json!({ "error": "panic" }),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
