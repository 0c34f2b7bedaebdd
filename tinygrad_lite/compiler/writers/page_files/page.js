// The page: drawing, and showing what the net makes of it.
"use strict";

const $ = (id) => document.getElementById(id);
const describe = (node, text) => node.setAttribute("aria-label", text);
const PAPER = $("ink"), pen = PAPER.getContext("2d", { willReadFrequently: true });
const KEPT = `tinygrad_lite: pictures of ${MODEL.classes}`; // the name under which the browser keeps them
const STEP = 8; // how far an arrow key moves the pen
const IS_WHOLE = !MODEL.classes.every((name) => /^[0-9]$/.test(name)); // the parts of other signs may lie apart

const weights = Object.fromEntries(Object.entries(WEIGHTS).map(([name, x]) => [name, decoded(x)]));
let words = WORDS[navigator.language.startsWith("zh") ? "zh" : "en"];
let picture = null; // the grey levels of what the net sees
let marks = 0; // how many digits seem to be drawn
let chosen = null; // the unit whose weights are shown; null: the one with the strongest answer
let isAnswered = false; // whether the picture has been kept
let kept = stored();

/** What the program makes of pictures: of grey levels in bytes, one picture after another. */
function read(pixels) {
  const shape = [pixels.length / (SIDE * SIDE), ...MODEL.shape];
  return forward(array(shape, np.Real.from(pixels, (x) => x / 255)), weights);
}

// Drawing.

let last = null; // where the pen is, while it is down
let tool = "pen"; // or "eraser"

function place(event) {
  const box = PAPER.getBoundingClientRect(), scale = PAPER.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function drawTo(point) {
  pen.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
  pen.lineWidth = $("width").valueAsNumber;
  pen.lineCap = pen.lineJoin = "round";
  pen.beginPath();
  pen.moveTo(...(last ?? point));
  pen.lineTo(...point);
  pen.stroke();
  last = point;
  changed();
}

function lift() {
  if (last === null) return;
  last = null;
  show();
  $("spoken").textContent = $("read-heading").textContent;
}

function clear() {
  pen.clearRect(0, 0, PAPER.width, PAPER.height);
  last = null;
  changed();
}

PAPER.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  PAPER.setPointerCapture(event.pointerId);
  drawTo(place(event));
});
PAPER.addEventListener("pointermove", (event) => {
  if (last === null || !event.isPrimary || !event.buttons) return;
  const events = event.getCoalescedEvents?.() ?? [];
  for (const part of events.length ? events : [event]) drawTo(place(part));
});
for (const end of ["pointerup", "pointercancel"]) PAPER.addEventListener(end, lift);

// With the keyboard: the cursor is where the pen is, up or down.

const cursor = { x: PAPER.width / 2, y: PAPER.height / 4, isDown: false };
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

PAPER.addEventListener("keydown", (event) => {
  if (event.key === "Delete" || event.key === "Backspace") clear();
  else if (event.key === " ") cursor.isDown = !cursor.isDown;
  else if (event.key in MOVES) {
    const within = (x) => Math.min(Math.max(x, 0), PAPER.width);
    cursor.x = within(cursor.x + STEP * MOVES[event.key][0]);
    cursor.y = within(cursor.y + STEP * MOVES[event.key][1]);
  } else return;
  event.preventDefault();
  if (cursor.isDown) drawTo([cursor.x, cursor.y]);
  else lift();
  showCursor(true);
});
PAPER.addEventListener("blur", () => { cursor.isDown = false; lift(); showCursor(false); });

function showCursor(isShown) {
  $("cursor").hidden = !isShown;
  $("cursor").classList.toggle("down", cursor.isDown);
  $("cursor").style.left = `${(100 * cursor.x) / PAPER.width}%`;
  $("cursor").style.top = `${(100 * cursor.y) / PAPER.height}%`;
}

for (const name of ["pen", "eraser"]) {
  $(name).addEventListener("click", () => {
    tool = name;
    for (const other of ["pen", "eraser"]) $(other).setAttribute("aria-pressed", other === tool);
  });
}
$("clear").addEventListener("click", clear);

// Showing.

let isDue = false;

/** The drawing has changed: show it, at most once a frame. */
function changed() {
  if (!isDue) requestAnimationFrame(show);
  isDue = true;
  isAnswered = false;
}

/** How much ink is on each pixel of the paper, from 0 to 1: the opacity of the drawing. */
function inkOnPaper() {
  const { data } = pen.getImageData(0, 0, PAPER.width, PAPER.height), ink = new Float64Array(data.length / 4);
  for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
  return ink;
}

function show() {
  isDue = false;
  const ink = inkOnPaper(), blank = new Uint8Array(SIDE * SIDE);
  ({ picture, marks } = framed(ink, PAPER.width, IS_WHOLE));
  const result = read(picture ?? blank);
  $("hint").hidden = ink.some((x) => x > 0);
  paintGrey($("seen"), picture ?? blank);
  showBars(picture && result.output.data);
  if (MODEL.layer) showUnits(result.units);
  enableAnswers();
}

function showBars(shares) {
  const first = shares ? shares.indexOf(Math.max(...shares)) : -1;
  const none = marks > 1 ? words.readsSeveral(marks) : words.readsNothing;
  $("read-heading").textContent = shares ? words.reads(MODEL.classes[first], shares[first]) : none;
  [...$("bars").children].forEach((row, i) => {
    row.classList.toggle("first", i === first);
    row.querySelector(".bar").style.width = `${100 * (shares?.[i] ?? 0)}%`;
    row.querySelector(".share").textContent = shares ? percent(shares[i]) : "";
  });
}

/** Fill a canvas with an image: colour(i) is the red, green, blue and opacity of pixel i, from 0 to 255. */
function paint(canvas, width, height, colour) {
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set(colour(i), 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

let colours = []; // of positive and of negative numbers

function setColours() {
  const style = getComputedStyle(document.documentElement);
  colours = ["--positive", "--negative"].map((name) => style.getPropertyValue(name).trim().split(" "));
}

const paintGrey = (canvas, levels) => paint(canvas, SIDE, SIDE, (i) => [255, 255, 255, levels[i]]);

/** Paint numbers: positive ones in one colour, negative ones in another, the paler the closer to zero. */
function paintNumbers(canvas, numbers, width, most) {
  const [positive, negative] = colours;
  paint(canvas, width, numbers.length / width, (i) =>
    [...(numbers[i] < 0 ? negative : positive), most ? (255 * Math.abs(numbers[i])) / most : 0]);
}

const most = (numbers) => numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

let answers = null; // what the units of the first layer answered last

function showUnits(units) {
  answers = units;
  const { width, size } = MODEL.layer, largest = most(units.data);
  [...$("units").children].forEach((button, i) =>
    paintNumbers(button.firstChild, units.data.subarray(i * size, (i + 1) * size), width, largest));
  showWeights();
}

/** Show the weights of the chosen unit, or of the one whose answer is strongest. */
function showWeights() {
  const { weight, shape, size, count } = MODEL.layer, { data } = weights[weight];
  const strongest = Array.from({ length: count }, (_, i) =>
    Math.max(...answers.data.subarray(i * size, (i + 1) * size)));
  const unit = chosen ?? strongest.indexOf(Math.max(...strongest));
  // A unit of a dense layer is a column of its matrix; a kernel is a block, of which the first channel is shown.
  const isDense = shape.length === 2, n = isDense ? shape[0] : shape[2] * shape[3], step = product(shape.slice(1));
  const image = Float64Array.from({ length: n }, (_, i) => (isDense ? data[i * step + unit] : data[unit * step + i]));
  paintNumbers($("weights"), image, isDense ? SIDE : shape[3], most(image));
  $("unit").textContent = words[isDense ? "unit" : "map"](unit + 1, strongest[unit]);
  [...$("units").children].forEach((button, i) => button.classList.toggle("chosen", i === unit));
}

function choose(unit) {
  chosen = unit;
  showWeights();
}

function buildUnits() {
  const units = $("units"), { count, size } = MODEL.layer;
  units.classList.toggle("maps", size > 1);
  for (let i = 0; i < count; i++) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = i ? -1 : 0; // one stop of the Tab key: arrow keys move within
    button.append(document.createElement("canvas"));
    button.addEventListener("pointerenter", () => choose(i));
    button.addEventListener("focus", () => choose(i));
    units.append(button);
  }
  units.addEventListener("pointerleave", () => choose(null));
  units.addEventListener("focusout", () => choose(null));
  units.addEventListener("keydown", (event) => {
    const columns = getComputedStyle(units).gridTemplateColumns.split(" ").length;
    const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const next = units.children[[...units.children].indexOf(document.activeElement) + move];
    if (!next) return;
    event.preventDefault();
    document.activeElement.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

// Mistakes.

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? [];
  } catch {
    return []; // the browser keeps nothing for files, or something else
  }
}

function keep(digits) {
  kept = digits;
  try {
    localStorage.setItem(KEPT, JSON.stringify(kept));
  } catch { /* they stay as long as the page is open */ }
  showKept();
}

function showKept() {
  $("kept").replaceChildren(...kept.map(({ label, found, pixels }, i) => {
    const item = document.createElement("li"), image = document.createElement("canvas");
    const text = words.kept(MODEL.classes[label], MODEL.classes[found]), remove = document.createElement("button");
    paintGrey(image, pixels);
    remove.type = "button";
    remove.textContent = "×";
    describe(remove, `${words.remove}: ${text}`);
    remove.addEventListener("click", () => keep(kept.filter((_, j) => j !== i)));
    item.append(image, text, remove);
    return item;
  }));
  $("download").hidden = $("download-note").hidden = !kept.length;
}

function answer(label) {
  const shares = read(picture).output.data;
  keep([...kept, { label, found: shares.indexOf(Math.max(...shares)), pixels: [...picture] }]);
  isAnswered = true;
  enableAnswers();
}

/** Let an answer be given once for each drawing. */
function enableAnswers() {
  for (const button of $("answers").children) button.disabled = !picture || isAnswered;
}

/** An IDX file of bytes: 0, 0, the type, the number of axes, each length in four bytes, then the numbers. */
function idx(shape, numbers) {
  const lengths = shape.flatMap((n) => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255));
  return new Uint8Array([0, 0, 8, shape.length, ...lengths, ...numbers]);
}

/** The files of the kept digits, by name. Labels are numbers, so a third file names classes that are no digits. */
function files() {
  return {
    ...(IS_WHOLE ? { "drawn-classes.json": new TextEncoder().encode(JSON.stringify(MODEL.classes)) } : {}),
    "drawn-images-idx3-ubyte": idx([kept.length, SIDE, SIDE], kept.flatMap(({ pixels }) => pixels)),
    "drawn-labels-idx1-ubyte": idx([kept.length], kept.map(({ label }) => label)),
  };
}

$("download").addEventListener("click", () => {
  for (const [name, bytes] of Object.entries(files())) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = name;
    link.click();
  }
});

// The whole page.

function translate() {
  document.documentElement.lang = words === WORDS.zh ? "zh-CN" : "en";
  document.title = words.title;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = words[node.dataset.word];
  for (const node of document.querySelectorAll("[data-label]")) describe(node, words[node.dataset.label]);
  $("language").textContent = words.other;
  $("about").textContent = words.about(MODEL);
  [...$("answers").children].forEach((button, i) => describe(button, words.answer(MODEL.classes[i])));
  if (MODEL.layer) {
    const kind = MODEL.layer.size > 1 ? "maps" : "units";
    $("layer-heading").textContent = words[kind](MODEL.layer.count);
    $("layer-note").textContent = words[`${kind}Note`];
  }
  showKept();
  show();
}

$("language").addEventListener("click", () => {
  words = words === WORDS.zh ? WORDS.en : WORDS.zh;
  translate();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  setColours();
  show();
});

MODEL.classes.forEach((name, i) => {
  const row = document.createElement("li"), button = document.createElement("button");
  row.innerHTML = '<span></span><span class="track"><span class="bar"></span></span><span class="share"></span>';
  row.firstChild.textContent = button.textContent = name;
  button.type = "button";
  button.addEventListener("click", () => answer(i));
  $("bars").append(row);
  $("answers").append(button);
});
if (MODEL.layer) buildUnits();
$("layer").hidden = !MODEL.layer;
$("source").textContent = $("program").textContent.trim();
$("runtime-source").textContent = $("runtime").textContent.trim();
setColours();
translate();
