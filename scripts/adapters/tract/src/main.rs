//! tract runs the models of scripts/adapters/onnx/bridge.ts.

use serde_json::{json, Value};
use std::io::{BufRead, Write};
use tract_onnx::prelude::*;

fn number(x: &Value) -> f64 {
    match x.as_str() {
        Some("NaN") => f64::NAN,
        Some("Infinity") => f64::INFINITY,
        Some("-Infinity") => f64::NEG_INFINITY,
        _ => x.as_f64().unwrap_or(f64::NAN),
    }
}

fn input(x: &Value) -> TractResult<Tensor> {
    let shape: Vec<usize> = x["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let data: Vec<f64> = x["data"].as_array().unwrap().iter().map(number).collect();
    match x["dtype"].as_str() {
        Some("float64") => Tensor::from_shape(&shape, &data),
        Some("int32") => Tensor::from_shape(&shape, &data.iter().map(|&x| x as i32).collect::<Vec<_>>()),
        _ => Tensor::from_shape(&shape, &data.iter().map(|&x| x as f32).collect::<Vec<_>>()),
    }
}

fn output(x: &Tensor) -> TractResult<Value> {
    let x = x.cast_to::<f64>()?;
    let text = |&x: &f64| match x {
        x if x.is_nan() => json!("NaN"),
        x if x.is_infinite() => json!(if x > 0.0 { "Infinity" } else { "-Infinity" }),
        x => json!(x),
    };
    let data: Vec<Value> = x.to_plain_array_view::<f64>()?.iter().map(text).collect();
    Ok(json!({ "shape": x.shape(), "data": data }))
}

fn compute(asked: &Value) -> TractResult<Value> {
    let mut model = tract_onnx::onnx().model_for_path(asked["model"].as_str().unwrap())?;
    let mut feeds = tvec![];
    for (k, outlet) in model.input_outlets()?.to_vec().iter().enumerate() {
        let x = input(&asked["inputs"][&model.node(outlet.node).name])?;
        model.set_input_fact(k, InferenceFact::dt_shape(x.datum_type(), x.shape()))?;
        feeds.push(x.into_tvalue());
    }
    let names: Vec<String> = model
        .output_outlets()?
        .iter()
        .map(|&o| model.outlet_label(o).unwrap_or(&model.node(o.node).name).to_string())
        .collect();
    let found = model.into_optimized()?.into_runnable()?.run(feeds)?;
    let mut outputs = serde_json::Map::new();
    for (name, x) in names.into_iter().zip(found.iter()) {
        outputs.insert(name, output(x)?);
    }
    Ok(outputs.into())
}

fn main() {
    if std::env::args().any(|arg| arg == "--version") {
        return println!("tract 0.23.9");
    }
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match std::panic::catch_unwind(|| compute(&asked)) {
            Ok(Ok(outputs)) => json!({ "outputs": outputs }),
            Ok(Err(error)) => json!({ "error": format!("{error:#}").chars().take(400).collect::<String>() }),
            Err(_) => json!({ "error": "panic" }),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
