/**
 * The errors that PyTorch raises and JavaScript has no class for. Each keeps PyTorch's name and
 * message and extends the JavaScript class closest in meaning, so both `error.name` and
 * `instanceof` tell what happened. Python's `TypeError` is JavaScript's own.
 */

/** PyTorch's `RuntimeError`: tensors that do not fit the operation they are given to. */
export class RuntimeError extends Error {
  /** The name of the Python class. */
  override readonly name = "RuntimeError";
}

/** Python's `ValueError`: an argument of the right type with a value that is not allowed. */
export class ValueError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "ValueError";
}

/** Python's `AttributeError`: a name that an object does not have. */
export class AttributeError extends Error {
  /** The name of the Python class. */
  override readonly name = "AttributeError";
}

/** Python's `IndexError`: a dimension or an index beyond the tensor's. */
export class IndexError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "IndexError";
}

/** Python's `KeyError`: a name that a dict has not; its message is the name as `repr` writes it. */
export class KeyError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "KeyError";
}

/** Python's `AssertionError`: what a module of PyTorch's takes for granted. */
export class AssertionError extends Error {
  /** The name of the Python class. */
  override readonly name = "AssertionError";
}

/** Python's `ZeroDivisionError`. */
export class ZeroDivisionError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "ZeroDivisionError";
}

/** Python's `NotImplementedError`: a function that a class leaves to those who extend it. */
export class NotImplementedError extends Error {
  /** The name of the Python class. */
  override readonly name = "NotImplementedError";
}
