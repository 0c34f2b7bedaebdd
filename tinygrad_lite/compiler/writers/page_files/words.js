// What the page says, in each language. An entry is a text, or a function of what it speaks of.
"use strict";

const WORDS = {
  en: {
    other: "中文",
    title: "A net reads your handwriting",
    about: ({ weights, accuracy, data }) => [
      `A net of ${weights.toLocaleString("en")} weights, trained with tinygrad_lite.`,
      accuracy === null ? "" : `It reads ${percent(accuracy)} of the test digits correctly.`,
      data === "synthetic" ? "It has learnt from synthetic digits alone, and reads real ones far less well." : "",
      "Everything is computed in this page; nothing is sent.",
    ].filter(Boolean).join(" "),
    draw: "Draw a digit",
    hint: "Draw here, with mouse, finger or pen",
    canvas: "Paper: arrow keys move the pen, Space puts it down and lifts it",
    keys: "By keyboard: the arrow keys move the pen, Space puts it down and lifts it, Delete clears.",
    pen: "Pen", eraser: "Eraser", clear: "Clear", width: "Stroke width",
    reads: (name, share) => `It reads ${name}: ${percent(share)}`,
    readsNothing: "It waits for a digit",
    readsSeveral: (n) => `${n} separate marks: draw one digit`,
    seen: "What the net sees",
    framing: "28×28 pixels. As in MNIST, the digit fits a box of 20×20, and its centre of mass is in the middle.",
    units: (n) => `What the first layer answers: ${n} units`,
    maps: (n) => `What the first layer answers: ${n} maps`,
    unitsNote: "The stronger the colour, the stronger the answer. "
      + "Point at a unit, or choose it with the arrow keys: its weights are an image.",
    mapsNote: "Each kernel looks for one thing, everywhere. "
      + "Point at a map, or choose it with the arrow keys, to see its kernel.",
    unit: (i, answer) => `Unit ${i} answers ${answer.toFixed(2)}. Its weights:`,
    map: (i, answer) => `Map ${i}, at most ${answer.toFixed(2)}. Its kernel:`,
    positive: "positive", negative: "negative",
    wrong: "Wrong? Say what it was",
    wrongNote: "The picture is kept in this page, with your answer.",
    answer: (name) => `It was ${name}`,
    kept: (label, read) => `${label}, read as ${read}`,
    remove: "Remove",
    download: "Download all as IDX files",
    downloadNote: "Two files, of images and of labels, as MNIST has them. The command predict reads the images.",
    program: "The program that reads",
    programNote: "The net's own computation, as it was recorded. np is a little of NumPy, below.",
    runtime: "The functions that the program uses",
  },
  zh: {
    other: "English",
    title: "神经网络认你的手写数字",
    about: ({ weights, accuracy, data }) => [
      `这个网络有 ${weights.toLocaleString("en")} 个权重，用 tinygrad_lite 训练而成。`,
      accuracy === null ? "" : `它能正确认出 ${percent(accuracy)} 的测试数字。`,
      data === "synthetic" ? "它只见过合成的数字，认真实的手写数字要差得多。" : "",
      "所有计算都在本页完成，不会发送任何数据。",
    ].join(""),
    draw: "写一个数字",
    hint: "用鼠标、手指或触控笔写在这里",
    canvas: "画板：方向键移动笔，空格键落笔和抬笔",
    keys: "用键盘：方向键移动笔，空格键落笔和抬笔，Delete 键清空。",
    pen: "笔", eraser: "橡皮", clear: "清空", width: "笔画粗细",
    reads: (name, share) => `它认作 ${name}：${percent(share)}`,
    readsNothing: "等你写一个数字",
    readsSeveral: (n) => `有 ${n} 个分开的图形：请只写一个数字`,
    seen: "网络看到的图像",
    framing: "28×28 像素。与 MNIST 一样，数字缩放到 20×20 的方框内，重心位于图像中央。",
    units: (n) => `第一层的输出：${n} 个单元`,
    maps: (n) => `第一层的输出：${n} 个特征图`,
    unitsNote: "颜色越深，输出越强。指向一个单元，或用方向键选择它，就能看到它的权重图像。",
    mapsNote: "每个卷积核在各处寻找一种特征。指向一个特征图，或用方向键选择它，就能看到它的卷积核。",
    unit: (i, answer) => `单元 ${i} 的输出为 ${answer.toFixed(2)}，它的权重：`,
    map: (i, answer) => `特征图 ${i}，最大值 ${answer.toFixed(2)}，它的卷积核：`,
    positive: "正", negative: "负",
    wrong: "认错了？告诉它这是几",
    wrongNote: "图像和你的答案会保存在本页中。",
    answer: (name) => `这是 ${name}`,
    kept: (label, read) => `${label}，认作 ${read}`,
    remove: "删除",
    download: "全部下载为 IDX 文件",
    downloadNote: "两个文件：图像和标签，格式与 MNIST 相同。predict 命令可以读取图像文件。",
    program: "识别所用的程序",
    programNote: "网络自身的计算过程，按记录写出。np 是 NumPy 的一小部分，见下。",
    runtime: "程序所用的函数",
  },
};

/** A fraction as a percentage, with more digits where they tell something. */
function percent(share) {
  const text = (100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1);
  return `${text} %`;
}
