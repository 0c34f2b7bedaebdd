// From a drawing to a picture as MNIST has them: the digit in a box of 20×20 pixels, its centre of mass in the middle
// of 28×28. These are the steps of the command `predict` for a photograph, without those that look for real paper.
"use strict";

const SIDE = 28, BOX = 20; // pixels: a picture, and the longer side of a digit in it
const WORKING_SIDE = 128; // pixels: the drawing while its strokes are looked for
const NEAR = 0.2; // of the digit's longer side: the largest gap between strokes of one digit
const SPECK = 0.02; // of the heaviest piece's ink: a piece with less is dirt
const BLUR = 2; // pixels: how far a stroke's edge may be blurred
const EDGE = 0.25; // pixels with more ink than this must be inside the box
const LEAST_DIGIT = 1 / 20; // of the drawing: a smaller digit is none yet

/** Average n pixels over equal parts of an interval: a list for each part of [pixel, share of the part]. */
function overlaps(n, start, length, parts) {
  return Array.from({ length: parts }, (_, part) => {
    const low = start + (part * length) / parts, high = start + ((part + 1) * length) / parts, shares = [];
    for (let pixel = Math.max(0, Math.floor(low)); pixel < Math.min(n, high); pixel++) {
      shares.push([pixel, ((Math.min(high, pixel + 1) - Math.max(low, pixel)) * parts) / length]);
    }
    return shares;
  });
}

/** Average a square picture over the cells of a grid, given the overlaps of its rows and of its columns. */
function averaged(picture, side, down, across) {
  const narrow = new Float64Array(side * across.length), small = new Float64Array(down.length * across.length);
  for (let y = 0; y < side; y++) {
    across.forEach((shares, x) => {
      for (const [pixel, share] of shares) narrow[y * across.length + x] += share * picture[y * side + pixel];
    });
  }
  down.forEach((shares, y) => {
    for (const [pixel, share] of shares) {
      for (let x = 0; x < across.length; x++) {
        small[y * across.length + x] += share * narrow[pixel * across.length + x];
      }
    }
  });
  return small;
}

/** The connected pieces of the pixels with ink: lists of places. */
function pieces(inked, side) {
  const seen = new Set(), found = [];
  inked.forEach((is, first) => {
    if (!is || seen.has(first)) return;
    const piece = [first];
    seen.add(first);
    for (const place of piece) { // grows as neighbours are found
      for (const near of around(place, 1, side)) {
        if (inked[near] && !seen.has(near)) seen.add(near), piece.push(near);
      }
    }
    found.push(piece);
  });
  return found;
}

/** The places in the square of this reach around a place. */
function around(place, reach, side) {
  const row = Math.floor(place / side), column = place % side, found = [];
  for (let y = Math.max(0, row - reach); y <= Math.min(side - 1, row + reach); y++) {
    for (let x = Math.max(0, column - reach); x <= Math.min(side - 1, column + reach); x++) found.push(y * side + x);
  }
  return found;
}

const sumOf = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** The rows and columns that a list of places reaches over: [top, left], [bottom, right]. */
function extent(piece, side) {
  const rows = piece.map((place) => Math.floor(place / side)), columns = piece.map((place) => place % side);
  const least = (of) => of.reduce((a, b) => Math.min(a, b)), most = (of) => of.reduce((a, b) => Math.max(a, b));
  return [[least(rows), least(columns)], [most(rows), most(columns)]];
}

/** The threshold that splits numbers into two classes with the largest variance between them.
 * Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979. */
function otsu(values) {
  const ordered = Float64Array.from(values).sort(), n = ordered.length, mean = sumOf(ordered) / n;
  let below = 0, best = -1, threshold = 0;
  for (let count = 1; count < n; count++) {
    below += ordered[count - 1];
    const between = (below - count * mean) ** 2 / (count * (n - count));
    if (between > best) [best, threshold] = [between, ordered[count - 1]];
  }
  return threshold;
}

/** The ink of the digit alone, null if there is none: the heaviest piece that is not cut off by the border, if there is
 * such a one, and the pieces near it, with their blurred edges. */
function digitIn(ink, side) {
  const threshold = otsu(ink), all = pieces(ink.map((x) => x > threshold), side);
  if (!all.length) return null;
  const inner = all.filter((piece) => {
    const [first, last] = extent(piece, side);
    return Math.min(...first) > 0 && Math.max(...last) < side - 1;
  });
  const found = inner.length ? inner : all;
  const masses = found.map((piece) => sumOf(piece.map((place) => ink[place]))), most = Math.max(...masses);
  const heaviest = found[masses.indexOf(most)], [low, high] = extent(heaviest, side);
  const reach = NEAR * Math.max(high[0] - low[0], high[1] - low[1]);
  const kept = found.filter((piece, i) => {
    const [first, last] = extent(piece, side);
    return masses[i] >= SPECK * most && [0, 1].every((axis) =>
      Math.max(low[axis] - last[axis], first[axis] - high[axis]) <= reach);
  });
  const [top, bottom] = extent(kept.flat(), side);
  if (Math.max(bottom[0] - top[0], bottom[1] - top[1]) + 1 < LEAST_DIGIT * side) return null;
  const digit = ink.map(() => 0);
  for (const place of kept.flat()) for (const near of around(place, BLUR, side)) digit[near] = ink[near];
  return digit;
}

/** Scale a digit to fit the box; its shorter side is centred. */
function boxed(digit, side) {
  const inked = [...digit.keys()].filter((place) => digit[place] > EDGE), [low, high] = extent(inked, side);
  const length = Math.max(high[0] - low[0], high[1] - low[1]) + 1;
  const starts = [0, 1].map((axis) => (low[axis] + high[axis] + 1 - length) / 2);
  const box = averaged(digit, side, ...starts.map((start) => overlaps(side, start, length, BOX)));
  const most = Math.max(...box);
  return box.map((x) => rounded((255 * x) / most));
}

/** Place a box of grey levels in a picture so that its centre of mass is in the middle, moved by whole pixels. */
function centred(box) {
  const mass = sumOf(box);
  const rows = box.map((x, i) => x * Math.floor(i / BOX)), columns = box.map((x, i) => x * (i % BOX));
  const [top, left] = [rows, columns].map((of) =>
    Math.min(Math.max(rounded(SIDE / 2 - sumOf(of) / mass), 0), SIDE - BOX));
  const picture = new Uint8Array(SIDE * SIDE);
  box.forEach((x, i) => { picture[(top + Math.floor(i / BOX)) * SIDE + left + (i % BOX)] = x; });
  return picture;
}

/** The grey levels of the picture that the net sees of a drawing, ink from 0 to 1; null if there is no digit. */
function framed(ink, side) {
  const cells = overlaps(side, 0, side, WORKING_SIDE);
  const digit = digitIn(averaged(ink, side, cells, cells), WORKING_SIDE);
  return digit && centred(boxed(digit, WORKING_SIDE));
}
