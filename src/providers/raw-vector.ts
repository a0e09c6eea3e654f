/** A vector as it was received: base64 of little-endian float32s, or an array of what should be numbers. */
export type RawVector = string | ArrayLike<unknown>;
