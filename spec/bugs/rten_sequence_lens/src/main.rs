//! rten 0.27.0: an ONNX GRU or LSTM ignores sequence_lens; the padding is read like data.
//! Two sources: PyTorch 2.15.0 0.1744680106639862, float64 by hand 0.17446802061504182.

use rten::{Model, Value};
use rten_tensor::prelude::*;
use rten_tensor::Tensor;

// One node: Y_h = GRU(X, W = 1, R = 1, sequence_lens = lens), made with onnx.helper.
const MODEL: &[u8] = b"\
    \x08\x08:\xc2\x01\x0aM\x0a\x01X\x0a\x01W\x0a\x01R\x0a\x00\x0a\x04lens\x12\x00\x12\x03Y_h\
    \x22\x03GRU*\x12\x0a\x0bhidden_size\x18\x01\xa0\x01\x02*\x1a\x0a\x13linear_before_reset\
    \x18\x01\xa0\x01\x02\x12\x01g*\x19\x08\x01\x08\x03\x08\x01\x10\x01\x22\x0c\x00\x00\x80?\
    \x00\x00\x80?\x00\x00\x80?B\x01W*\x19\x08\x01\x08\x03\x08\x01\x10\x01\x22\x0c\x00\x00\x80?\
    \x00\x00\x80?\x00\x00\x80?B\x01RZ\x17\x0a\x01X\x12\x12\x0a\x10\x08\x01\x12\x0c\x0a\x02\x08\
    \x02\x0a\x02\x08\x01\x0a\x02\x08\x01Z\x12\x0a\x04lens\x12\x0a\x0a\x08\x08\x06\x12\x04\x0a\
    \x02\x08\x01b\x0b\x0a\x03Y_h\x12\x04\x0a\x02\x08\x01B\x04\x0a\x00\x10\x11";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let model = Model::load(MODEL.to_vec())?;
    let x = Tensor::from_data(&[2, 1, 1], vec![0.5f32, -100.0]); // the second step is padding
    let lens = Tensor::from_data(&[1], vec![1i32]);
    let feeds: Vec<Value> = vec![x.into(), lens.into()];
    let feeds = model.input_ids().iter().copied().zip(feeds.into_iter().map(Into::into)).collect();
    let found: Tensor<f32> = model.run(feeds, model.output_ids(), None)?.remove(0).try_into()?;
    let given = *found.iter().next().unwrap() as f64;
    let z = 1.0 / (1.0 + (-0.5f64).exp()); // by hand, float64, from h = 0
    let wanted = (1.0 - z) * 0.5f64.tanh();
    println!("given {given} | wanted {wanted}");
    assert!((given - wanted).abs() > 1e-3, "no longer shown");
    Ok(())
}
