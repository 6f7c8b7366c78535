/**
 * The errors that PyTorch raises and JavaScript has no class for. Each keeps PyTorch's name and
 * message and extends the JavaScript class closest in meaning, so both `error.name` and
 * `instanceof` tell what happened. Python's `TypeError` is JavaScript's own.
 */

/**
 * PyTorch's `RuntimeError`: tensors that do not fit the operation they are given to.
 * @category Errors
 */
export class RuntimeError extends Error {
  /** The name of the Python class. */
  override readonly name: string = "RuntimeError";
}

/**
 * Python's `NotImplementedError`, a `RuntimeError` there, too: what a dtype or a class has not.
 * @category Errors
 */
export class NotImplementedError extends RuntimeError {
  /** The name of the Python class. */
  override readonly name: string = "NotImplementedError";
}

/**
 * Python's `ValueError`: an argument of the right type with a value that is not allowed.
 * @category Errors
 */
export class ValueError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "ValueError";
}

/**
 * Python's `AttributeError`: a name that an object does not have.
 * @category Errors
 */
export class AttributeError extends Error {
  /** The name of the Python class. */
  override readonly name = "AttributeError";
}

/**
 * Python's `IndexError`: a dimension or an index beyond the tensor's.
 * @category Errors
 */
export class IndexError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "IndexError";
}

/**
 * Python's `KeyError`: a name that a dict has not; its message is the name as `repr` writes it.
 * @category Errors
 */
export class KeyError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "KeyError";
}

/**
 * Python's `AssertionError`: what a module of PyTorch's takes for granted.
 * @category Errors
 */
export class AssertionError extends Error {
  /** The name of the Python class. */
  override readonly name = "AssertionError";
}

/**
 * Python's `ZeroDivisionError`.
 * @category Errors
 */
export class ZeroDivisionError extends RangeError {
  /** The name of the Python class. */
  override readonly name = "ZeroDivisionError";
}
