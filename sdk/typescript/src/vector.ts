// Vectors travel as packed little-endian bytes, which neither side converts
// component by component.
import { type Embedding, VectorEncoding } from "./gen/engram/v1/observation_pb.js";

/** A vector: as long as the space's dimension. */
export type Vector = Float32Array | readonly number[];

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Writes v into `out` at `at` as binary32, little-endian: 4 bytes each. */
export function writeF32(v: Vector, out: Uint8Array, at: number): void {
  if (littleEndian && v instanceof Float32Array) {
    out.set(new Uint8Array(v.buffer, v.byteOffset, v.byteLength), at);
    return;
  }
  const view = new DataView(out.buffer, out.byteOffset + at, 4 * v.length);
  for (let i = 0; i < v.length; i++) {
    view.setFloat32(4 * i, v[i] ?? 0, true);
  }
}

/** Writes v into `out` at `at` as binary16, little-endian: 2 bytes each. */
export function writeF16(v: Vector, out: Uint8Array, at: number): void {
  for (let i = 0; i < v.length; i++) {
    const h = toHalf(v[i] ?? 0);
    out[at + 2 * i] = h & 0xff;
    out[at + 2 * i + 1] = h >> 8;
  }
}

/** The message of a vector, for requests that are not hot. */
export function packed(v: Vector): { packed: { data: Uint8Array<ArrayBuffer>; encoding: VectorEncoding } } {
  const data = new Uint8Array(4 * v.length);
  writeF32(v, data, 0);
  return { packed: { data, encoding: VectorEncoding.F32_LE } };
}

/** Reads a vector in any of its forms; undefined for one of a newer server. */
export function unpacked(e: Embedding): Float32Array | undefined {
  const p = e.packed;
  if (p === undefined) {
    return Float32Array.from(e.values);
  }
  const view = new DataView(p.data.buffer, p.data.byteOffset, p.data.byteLength);
  switch (p.encoding) {
    case VectorEncoding.F32_LE: {
      const v = new Float32Array(view.byteLength >> 2);
      for (let i = 0; i < v.length; i++) {
        v[i] = view.getFloat32(4 * i, true);
      }
      return v;
    }
    case VectorEncoding.F16_LE: {
      const v = new Float32Array(view.byteLength >> 1);
      for (let i = 0; i < v.length; i++) {
        v[i] = fromHalf(view.getUint16(2 * i, true));
      }
      return v;
    }
    default:
      return undefined;
  }
}

const scratch = new DataView(new ArrayBuffer(4));

/** Rounds to binary16 (IEEE 754), to the nearest, ties to even. */
export function toHalf(x: number): number {
  scratch.setFloat32(0, x);
  const b = scratch.getUint32(0);
  const sign = (b >>> 16) & 0x8000;
  const exp = ((b >>> 23) & 0xff) - 127 + 15;
  const frac = b & 0x7fffff;
  if ((b & 0x7fffffff) > 0x7f800000) {
    return sign | 0x7e00; // not a number
  }
  if (exp >= 31) {
    return sign | 0x7c00;
  }
  if (exp < -10) {
    return sign;
  }
  if (exp <= 0) {
    return sign | shifted(frac | 0x800000, 14 - exp); // too small for the implicit 1
  }
  // A carry out of the fraction rightly raises the exponent.
  return sign | ((exp << 10) + shifted(frac, 13));
}

/** Divides by 2^n, to the nearest, ties to even. */
function shifted(x: number, n: number): number {
  const q = x >>> n;
  const rest = x & ((1 << n) - 1);
  const half = 1 << (n - 1);
  return rest > half || (rest === half && (q & 1) === 1) ? q + 1 : q;
}

/** Widens a binary16. */
export function fromHalf(h: number): number {
  const sign = h >> 15 === 0 ? 1 : -1;
  const exp = (h >> 10) & 31;
  const frac = h & 1023;
  if (exp === 0) {
    return sign * frac * 2 ** -24;
  }
  if (exp === 31) {
    return frac === 0 ? sign * Infinity : NaN;
  }
  return sign * (1 + frac / 1024) * 2 ** (exp - 15);
}
