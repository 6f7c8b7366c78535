/** ONNX files among checkpoints: told by their first bytes, read on demand. */

/**
 * Whether bytes begin as an ONNX file does: with the version of its format, then one of the fields of
 * a model.
 *
 * @param bytes the file, or its first eight bytes
 */
export function looksLikeOnnx(bytes: Uint8Array): boolean {
  const [tag, version, next] = bytes;
  // A safetensors file may begin so, too, but then its length has four bytes of zeros.
  return tag === 8 && version > 0 && version < 128 &&
    [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72].includes(next) &&
    bytes.subarray(4, 8).some((byte) => byte > 0);
}
