// A little of NumPy, for programs that run one picture at a time.
//
// An array is { shape, data }: its lengths, and its elements in order, the last axis varying fastest. Elements are of
// the type np.Real, truth values are bytes, and whole numbers, which only count and point, are doubles. Every function
// returns a new array. Sums are made in double precision and rounded once.
"use strict";

const np = {};

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);
const array = (shape, data) => ({ shape, data });
const asArray = (x) => (typeof x === "object" ? x : array([], [Number(x)]));

/** How far apart in memory two neighbours along each axis are. */
const stridesOf = (shape) => shape.map((_, axis) => product(shape.slice(axis + 1)));

/** The axes that are meant: all by default, and negative ones counted from the end. */
const axesOf = (axis, ndim) => (ndim ? [axis ?? [...Array(ndim).keys()]].flat().map((a) => (a + ndim) % ndim) : []);

/** The whole number closest to x; of two the even one, as NumPy rounds. */
function rounded(x) {
  const below = Math.floor(x), rest = x - below;
  return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** The place in memory of each element, in order: offset + i·stride + j·stride' + …, built axis by axis. */
function places(shape, strides, offset = 0) {
  let found = Int32Array.of(offset);
  shape.forEach((n, axis) => {
    const longer = new Int32Array(found.length * n);
    for (let i = 0, k = 0; i < found.length; i++) {
      for (let j = 0; j < n; j++) longer[k++] = found[i] + j * strides[axis];
    }
    found = longer;
  });
  return found;
}

/** The array whose elements are found in x at these steps. Whatever NumPy would make a view of is made by this. */
function gathered(x, shape, strides, offset = 0) {
  const from = places(shape, strides, offset), data = new x.data.constructor(from.length);
  for (let i = 0; i < data.length; i++) data[i] = x.data[from[i]];
  return array(shape, data);
}

/** Write an array into a part of another one, at these steps. */
function put(y, x, strides, offset) {
  places(x.shape, strides, offset).forEach((place, i) => { y.data[place] = x.data[i]; });
  return y;
}

/** The shape that arrays are broadcast to: aligned at their last axes, a length of 1 is repeated. */
function commonShape(shapes) {
  const ndim = Math.max(...shapes.map((shape) => shape.length));
  const aligned = shapes.map((shape) => [...Array(ndim - shape.length).fill(1), ...shape]);
  return Array.from({ length: ndim }, (_, axis) => {
    const lengths = new Set(aligned.map((shape) => shape[axis]).filter((n) => n !== 1));
    if (lengths.size > 1) throw new Error(`shapes ${shapes.map((s) => `(${s})`).join(" and ")} do not fit together`);
    return lengths.size ? [...lengths][0] : 1;
  });
}

np.broadcast_to = (x, { shape }) => {
  if (`${x.shape}` === `${shape}`) return x;
  const steps = stridesOf(x.shape).map((step, axis) => (x.shape[axis] === 1 ? 0 : step));
  return gathered(x, shape, [...Array(shape.length - x.shape.length).fill(0), ...steps]);
};

/** The function that applies f to the elements of arrays, with broadcasting. A number takes the type of the arrays. */
const elementwise = (f, type) => (...operands) => {
  const counts = operands.some((x) => x.data instanceof Float64Array), Of = counts ? Float64Array : np.Real;
  const arrays = operands.map((x) => (typeof x === "object" ? x : array([], Of.of(Number(x)))));
  const shape = commonShape(arrays.map((x) => x.shape));
  const [a, b, c] = arrays.map((x) => np.broadcast_to(x, { shape }).data);
  const data = new (type ?? np.Real)(product(shape));
  for (let i = 0; i < data.length; i++) data[i] = f(a[i], b?.[i], c?.[i]);
  return array(shape, data);
};

/** The function that joins the elements along axes into one: total = f(total, element), from a start. */
const reduction = (f, start, type) => (x, { axis, keepdims } = {}) => {
  const all = [...x.shape.keys()], axes = axesOf(axis, x.shape.length), kept = all.filter((a) => !axes.includes(a));
  const lengths = (of) => of.map((a) => x.shape[a]);
  const rows = np.transpose(x, { axes: [...kept, ...axes] }).data, n = product(lengths(axes));
  const data = new (type ?? np.Real)(product(lengths(kept)));
  for (let i = 0; i < data.length; i++) {
    let total = start;
    for (let j = 0; j < n; j++) total = f(total, rows[i * n + j], j);
    data[i] = total;
  }
  return array(keepdims ? all.map((a) => (axes.includes(a) ? 1 : x.shape[a])) : lengths(kept), data);
};

const clipped = elementwise((a, low, high) => Math.min(Math.max(a, low), high));

np.astype = (x, { dtype }) => {
  const f = { bool: (a) => a !== 0, int64: Math.trunc }[dtype] ?? ((a) => a);
  return elementwise(f, { bool: Uint8Array, int64: Float64Array }[dtype])(x);
};

np.mean = (x, how) => {
  const sum = reduction((total, a) => total + a, 0, Float64Array)(x, how);
  const n = product(x.shape) / product(sum.shape);
  return array(sum.shape, np.Real.from(sum.data, (total) => total / n));
};

/** The function that finds the first element along an axis that is better than all others, or not a number. */
const extreme = (better) => (x, { axis, keepdims } = {}) => {
  let best, where;
  return reduction((_, a, i) => {
    if (i === 0 || better(a, best) || (a !== a && best === best)) [best, where] = [a, i];
    return where;
  }, 0, Float64Array)(x, { axis, keepdims });
};

np.reshape = (x, { shape }) => {
  const rest = product(x.shape) / -product(shape);
  return array(shape.map((n) => (n === -1 ? rest : n)), x.data);
};

np.transpose = (x, { axes }) => {
  const order = axes ?? [...x.shape.keys()].reverse(), strides = stridesOf(x.shape);
  return gathered(x, order.map((axis) => x.shape[axis]), order.map((axis) => strides[axis]));
};

np.flip = (x, { axis } = {}) => {
  const axes = axesOf(axis, x.shape.length), strides = stridesOf(x.shape);
  const last = axes.reduce((offset, a) => offset + (x.shape[a] - 1) * strides[a], 0);
  return product(x.shape) ? gathered(x, x.shape, strides.map((s, a) => (axes.includes(a) ? -s : s)), last) : x;
};

/** A slice start:stop:step of an axis; without numbers all of it. */
const slice = (start, stop, step) => ({ start, stop, step: step ?? 1 });

/** x[index], where each part of the index is a number, a slice, or null for a new axis. */
np.getitem = (x, { index }) => {
  const strides = stridesOf(x.shape), shape = [], steps = [];
  let axis = 0, offset = 0;
  for (const part of index) {
    if (part === null) {
      shape.push(1), steps.push(0);
      continue;
    }
    const n = x.shape[axis], stride = strides[axis++];
    if (typeof part === "number") {
      offset += (part < 0 ? part + n : part) * stride;
      continue;
    }
    const { step } = part, [low, high] = step > 0 ? [0, n] : [-1, n - 1];
    const within = (end) => Math.min(Math.max(end < 0 ? end + n : end, low), high);
    const first = part.start == null ? (step > 0 ? low : high) : within(part.start);
    const end = part.stop == null ? (step > 0 ? high : low) : within(part.stop);
    shape.push(Math.max(0, Math.ceil((end - first) / step))), steps.push(step * stride);
    offset += first * stride;
  }
  return gathered(x, [...shape, ...x.shape.slice(axis)], [...steps, ...strides.slice(axis)], offset);
};

/** The rows of x at some positions. */
np.take = (x, { positions }) => {
  const at = asArray(positions), [n, ...row] = x.shape, size = product(row);
  const y = array([...at.shape, ...row], new x.data.constructor(at.data.length * size));
  at.data.forEach((i, k) => {
    const start = (i < 0 ? i + n : i) * size;
    if (!(start >= 0 && start < n * size)) throw new Error(`there is no row ${i} among ${n}`);
    y.data.set(x.data.subarray(start, start + size), k * size);
  });
  return y;
};

np.full = (value, { shape }) => np.broadcast_to(array([], np.Real.from(asArray(value).data)), { shape });

np.pad = (x, { pad_width, constant_values = 0 }) => {
  const shape = x.shape.map((n, axis) => pad_width[axis][0] + n + pad_width[axis][1]), strides = stridesOf(shape);
  const offset = strides.reduce((sum, step, axis) => sum + pad_width[axis][0] * step, 0);
  return put(array(shape, new x.data.constructor(product(shape)).fill(constant_values)), x, strides, offset);
};

np.concatenate = (...given) => {
  const { axis } = given.pop(), arrays = given, shape = [...arrays[0].shape], [along] = axesOf(axis, shape.length);
  shape[along] = arrays.reduce((sum, x) => sum + x.shape[along], 0);
  const strides = stridesOf(shape), y = array(shape, new arrays[0].data.constructor(product(shape)));
  let start = 0;
  for (const x of arrays) {
    put(y, x, strides, start * strides[along]);
    start += x.shape[along];
  }
  return y;
};

/** Every window of an array; the axes of a window come last. */
np.sliding_window_view = (x, { window_shape, axis }) => {
  const window = [window_shape].flat(), axes = axesOf(axis, x.shape.length), shape = [...x.shape];
  const strides = stridesOf(x.shape);
  axes.forEach((a, i) => { shape[a] -= window[i] - 1; });
  return gathered(x, [...shape, ...window], [...strides, ...axes.map((a) => strides[a])]);
};

/** The product of matrices in the last two axes; the axes before are broadcast, and a vector is a row or a column. */
np.matmul = (a, b) => {
  const left = a.shape.length > 1 ? a.shape : [1, ...a.shape], right = b.shape.length > 1 ? b.shape : [...b.shape, 1];
  const batch = commonShape([left.slice(0, -2), right.slice(0, -2)]);
  const [n, m] = left.slice(-2), k = right.at(-1);
  const x = np.broadcast_to(array(left, a.data), { shape: [...batch, n, m] }).data;
  const y = np.broadcast_to(array(right, b.data), { shape: [...batch, m, k] }).data;
  const rows = product(batch) * n, data = new np.Real(rows * k), sum = new Float64Array(k);
  for (let i = 0; i < rows; i++) {
    const matrix = Math.floor(i / n) * m * k;
    sum.fill(0);
    for (let j = 0; j < m; j++) {
      const factor = x[i * m + j], start = matrix + j * k;
      for (let c = 0; c < k; c++) sum[c] += factor * y[start + c];
    }
    data.set(sum, i * k);
  }
  return array([...batch, ...(a.shape.length > 1 ? [n] : []), ...(b.shape.length > 1 ? [k] : [])], data);
};
np.dot = np.matmul;

/** An array of the page: base64 of floats; or of one byte a number, which its row's scale multiplies. */
function decoded({ shape, type, data, scales }) {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer;
  const types = { float32: Float32Array, float64: Float64Array, int8: Int8Array, bool: Uint8Array };
  const numbers = new types[type](bytes);
  if (!scales) return array(shape, numbers);
  const row = numbers.length / scales.length;
  return array(shape, Float32Array.from(numbers, (x, i) => x * scales[Math.floor(i / row)]));
}
