// Draws figures over time with uPlot: the first series in bytes on the left, the second on the right.
"use strict";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function size(value) {
  if (value === null || value === undefined) return "–";
  const power = value > 0 ? Math.min(Math.floor(Math.log(value) / Math.log(1024)), UNITS.length - 1) : 0;
  return `${(value / 1024 ** power).toFixed(power ? 1 : 0)} ${UNITS[power]}`;
}

function draw(place) {
  const data = JSON.parse(place.dataset.series);
  if (!data[0].length) { place.textContent = "Nothing was collected yet."; return; }
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const labels = place.dataset.labels.split(",");
  const strokes = [colour("--accent"), colour("--warn")];
  const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const scales = ["left", "right"];
  new uPlot({
    width: place.clientWidth,
    height: 230,
    cursor: { drag: { x: false } },
    scales: { x: { time: true }, left: { range: (_, __, high) => [0, high || 1] }, right: { range: (_, __, high) => [0, high || 1] } },
    axes: [axis, ...scales.map((scale, at) => ({ ...axis, scale, side: at ? 1 : 3, size: 76, grid: at ? { show: false } : axis.grid, values: (_, values) => values.map(size) }))],
    series: [{ value: "{YYYY}-{MM}-{DD}" }, ...labels.map((label, at) => ({ label, scale: scales[at], stroke: strokes[at], width: 2, spanGaps: false, value: (_, value) => size(value) }))],
  }, data, place);
}

for (const place of document.querySelectorAll(".plot")) draw(place);
