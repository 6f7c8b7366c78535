//! tract 0.23.9: an ONNX RNN with activations=["Relu"] is computed with tanh; the attribute is not read.
//! Two sources: PyTorch 2.15.0 2.0, float64 by hand 2.0.

use tract_onnx::prelude::*;

// One node: Y_h = RNN(X, W = 1, R = 1, activations = ["Relu"]), made with onnx.helper.
const MODEL: &[u8] = b"\
    \x08\x08:\x92\x01\x0aA\x0a\x01X\x0a\x01W\x0a\x01R\x12\x00\x12\x03Y_h\x22\x03RNN*\x16\x0a\
    \x0bactivationsJ\x04Relu\xa0\x01\x08*\x12\x0a\x0bhidden_size\x18\x01\xa0\x01\x02\x12\x01g*\
    \x11\x08\x01\x08\x01\x08\x01\x10\x01\x22\x04\x00\x00\x80?B\x01W*\x11\x08\x01\x08\x01\x08\
    \x01\x10\x01\x22\x04\x00\x00\x80?B\x01RZ\x17\x0a\x01X\x12\x12\x0a\x10\x08\x01\x12\x0c\x0a\
    \x02\x08\x01\x0a\x02\x08\x01\x0a\x02\x08\x01b\x0b\x0a\x03Y_h\x12\x04\x0a\x02\x08\x01B\x04\
    \x0a\x00\x10\x11";

fn main() -> TractResult<()> {
    let model = tract_onnx::onnx().model_for_read(&mut &MODEL[..])?.into_optimized()?.into_runnable()?;
    let found = model.run(tvec![tensor3(&[[[2.0f32]]]).into_tvalue()])?;
    let given = found[0].to_plain_array_view::<f32>()?.iter().copied().next().unwrap();
    println!("given {given} | wanted 2"); // by hand: relu(1 * 2 + 1 * 0)
    assert!((given - 2.0).abs() > 1e-3, "no longer shown");
    Ok(())
}
