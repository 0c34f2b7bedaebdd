// From a drawing to a picture as MNIST has them: the digit in a box of 20×20 pixels, its centre of mass in the middle
// of 28×28. These are the steps of the command `predict` for a drawing on transparent paper: the ink is known, and the
// paper goes on beyond the border, so that a stroke that reaches it is whole.
"use strict";

const SIDE = 28, BOX = 20; // pixels: a picture, and the longer side of a digit in it
const WORKING_SIDE = 128; // pixels: the drawing while its strokes are looked for
const NEAR = 0.2; // of the digit's longer side: the largest gap between strokes of one digit
const SPECK = 0.02; // of the heaviest piece's ink: a piece with less is dirt
const AS_HIGH = 0.5; // of the highest mark: one that is lower is no second digit
const ABOVE = 0.2, BESIDE = 0.05; // of the highest piece: the gaps that marks are at least apart
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
      for (const near of around(place, 1, 1, side)) {
        if (inked[near] && !seen.has(near)) seen.add(near), piece.push(near);
      }
    }
    found.push(piece);
  });
  return found;
}

/** The places that are at most so far from a place. */
function* around(place, down, across, side) {
  const row = Math.floor(place / side), column = place % side;
  for (let y = Math.max(0, row - down); y <= Math.min(side - 1, row + down); y++) {
    for (let x = Math.max(0, column - across); x <= Math.min(side - 1, column + across); x++) yield y * side + x;
  }
}

/** Which pixels are at most so far from one of these places. */
function grown(places, down, across, side) {
  const mask = new Uint8Array(side * side);
  for (const place of places) for (const near of around(place, down, across, side)) mask[near] = 1;
  return mask;
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

const heightOf = (piece, side) => (([low, high]) => high[0] - low[0] + 1)(extent(piece, side));

/** How many digits strokes may be: marks that lie apart, and are at least half as high as the highest. */
function marksOf(strokes, side) {
  const highest = Math.max(...strokes.map((stroke) => heightOf(stroke, side))), places = new Set(strokes.flat());
  const joined = grown(places, rounded((ABOVE * highest) / 2), rounded((BESIDE * highest) / 2), side);
  const heights = pieces(joined, side).map((mark) => heightOf(mark.filter((place) => places.has(place)), side));
  return heights.filter((height) => height >= AS_HIGH * Math.max(...heights)).length;
}

/** The digit in a drawing: its ink alone, with the blurred edges, and the number of marks; of a whole sign, all strokes
 * are one. The ink is null if there is no digit. */
function digitIn(ink, side, isWhole) {
  const none = { digit: null, marks: 0 }, threshold = otsu(ink), found = pieces(ink.map((x) => x > threshold), side);
  if (!found.length) return none;
  const masses = found.map((piece) => sumOf(piece.map((place) => ink[place]))), most = Math.max(...masses);
  const strokes = found.filter((_, i) => masses[i] >= SPECK * most);
  const [low, high] = extent(found[masses.indexOf(most)], side);
  const reach = NEAR * Math.max(high[0] - low[0], high[1] - low[1]);
  const kept = strokes.filter((piece) => {
    const [first, last] = extent(piece, side);
    return isWhole || [0, 1].every((axis) => Math.max(low[axis] - last[axis], first[axis] - high[axis]) <= reach);
  }).flat();
  const [top, bottom] = extent(kept, side);
  if (Math.max(bottom[0] - top[0], bottom[1] - top[1]) + 1 < LEAST_DIGIT * side) return none;
  const near = grown(kept, BLUR, BLUR, side);
  return { digit: ink.map((x, place) => x * near[place]), marks: isWhole ? 1 : marksOf(strokes, side) };
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

/** The grey levels of the picture that the net sees of a drawing, ink from 0 to 1, and the number of digits in it.
 * There is no picture unless it is one. */
function framed(ink, side, isWhole) {
  const cells = overlaps(side, 0, side, WORKING_SIDE);
  const { digit, marks } = digitIn(averaged(ink, side, cells, cells), WORKING_SIDE, isWhole);
  return { picture: marks === 1 ? centred(boxed(digit, WORKING_SIDE)) : null, marks };
}
